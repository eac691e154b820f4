"""Reads and writes checkpoints of training. They hold tensors and plain types only, so they cannot execute code.

{"format": 1, "streamseg": version, "method": "byol",
 "backbone": {"name": "resnet18", "architecture": "resnet18.tv_in1k", "layers": [4, 5], "facet": "output",
              "licence": "BSD-3-Clause", "head": ""},    output of the foreground head, "" = none; true = "foreground"
 "state_dict": {timm's name: tensor, ...},   the deployed backbone
 "head": {name: tensor, ...} or absent,      the head, see `networks.foreground_head`
 "config": {...},                            the settings of the run
 "training": {...} or None,                  for --resume; an export drops it
 "provenance": {...}}                        data, initial weights, metrics
"""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamseg.backbones.contract import HEAD_OUTPUTS
from streamseg.cache import recall, remember
from streamseg.errors import ModelError, OutputError
from streamseg.files import MANIFEST, written

FORMAT = 1
BEST, LAST = "best.pt", "last.pt"
"""Names of the checkpoints in the output folder of a training run."""
SUFFIXES = (".pt", ".ckpt")
_NAME = re.compile(r"(timm:)?[\w.-]+(?<!\.pt)(?<!\.ckpt)(?<!\.onnx)(?<!\.xml)(?<!\.plan)(?<!\.engine)", re.ASCII)
"""The name of a network. It is neither a file nor an address, so a checkpoint cannot cause other files to be read."""
HEADER = ("format", "streamseg", "method", "backbone", "config", "provenance")


def inside(folder: str) -> str:
    """Return a hint that names the checkpoint in the output folder of a training run; "" if `folder` is none."""
    path = Path(folder).parent if folder.endswith(MANIFEST) else Path(folder)
    found = [path / name for name in (BEST, LAST) if (path / name).is_file()]
    return f"give the checkpoint of that run: {found[0]}" if found else ""


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint under a temporary name, and then rename it, so that an older one stays intact until then.

    content: all but `format` and `streamseg`. Raises OutputError if it cannot be written.
    """
    import torch

    import streamseg

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path, durable=True) as temporary:
            torch.save({"format": FORMAT, "streamseg": streamseg.__version__} | content, temporary)
    except (OSError, RuntimeError) as problem:  # torch's zip writer raises RuntimeError, without the reason
        reason = getattr(problem, "strerror", None) or "the disk did not take all of it"
        raise OutputError(f"cannot write the checkpoint {str(path)!r}: {reason}", "free some space") from problem


def is_one(path: Path) -> bool:
    """Return whether `write` wrote this file, which may be damaged. This does not import torch."""
    with suppress(OSError, zipfile.BadZipFile, StopIteration), zipfile.ZipFile(path) as archive:
        pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(pickled) as file:
            start = file.read(100)  # holds the first two keys
        return b"format" in start and b"streamseg" in start
    return False


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint. Tensors are on the CPU, and are read from the file when they are used. Raises ModelError."""
    import pickle

    import torch

    if not path.is_file():
        raise ModelError(f"there is no checkpoint {str(path)!r}", "give the .pt file that `streamseg train` wrote")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as problem:
        raise ModelError(
            f"{str(path)!r} holds Python objects, not only tensors, and is not opened",
            "save the network's state_dict() alone, and use it with --weights",
        ) from problem
    except Exception as problem:  # torch raises a dozen kinds of errors for damaged files
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:120]
        raise ModelError(
            f"{str(path)!r} cannot be read as a checkpoint: {reason}", "is it complete? copy it again"
        ) from problem
    if not isinstance(content, dict) or not {"format", "backbone", "state_dict"} <= content.keys():
        raise ModelError(
            f"{str(path)!r} is not a checkpoint of streamseg", "name its network: --model NAME --weights FILE"
        )
    if content["format"] != FORMAT:
        raise ModelError(
            f"{str(path)!r} has checkpoint format {content['format']!r}, this version reads {FORMAT}",
            "use the version of streamseg that wrote it",
        )
    fault = _fault_of_header(content) or _fault_of_tensors(content)
    if fault:
        raise ModelError(f"damaged checkpoint: {fault}", f"copy {str(path)!r} again, or train it again")
    return content


def _fault_of_header(header: dict[str, Any]) -> str:
    """Return what is wrong with a header, "" = nothing. The file may come from anywhere and contain anything."""
    backbone = header["backbone"]
    if not isinstance(backbone, dict):
        return "its backbone is no table"
    for name in ("name", "facet"):
        if not isinstance(backbone.get(name), str):
            return f"its backbone has no {name}"
    if not _NAME.fullmatch(backbone["name"]):
        return "its backbone has the name of no network, but of a file or an address"
    layers = backbone.get("layers")
    if not isinstance(layers, list) or not all(type(layer) is int for layer in layers):
        return "its backbone has no layers"
    if not all(isinstance(backbone.get(name, ""), str) for name in ("architecture", "licence")):
        return "its backbone is described by something else than words"
    head = backbone.get("head", "")
    if not isinstance(head, (bool, str)) or head not in (False, True, "", *HEAD_OUTPUTS):
        return "its backbone has a head of a kind that is not known"
    for name in ("method", "streamseg"):
        if not isinstance(header.get(name) or "", str):
            return f"its {name} is no word"
    for name in ("config", "provenance"):
        if not isinstance(header.get(name) or {}, dict):
            return f"its {name} is no table"
    provenance = header.get("provenance") or {}
    if not all(isinstance(provenance.get(name) or "", str) for name in ("init", "init_sha256")):
        return "its provenance names no weights"
    return ""


def _fault_of_tensors(content: dict[str, Any]) -> str:
    """Return what is wrong with the tensors and the training state of a checkpoint, "" = nothing."""
    import torch

    for name in ("state_dict", "head"):
        tensors = content.get(name) or {}
        if not isinstance(tensors, dict) or not all(
            isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in tensors.items()
        ):
            return f"its {name} holds something else than named tensors"
    return "" if isinstance(content.get("training") or {}, dict) else "its training state is no table"


def head_output(backbone: dict[str, Any]) -> str:
    """Return the name of the output of the foreground head, "" = no head. backbone: entry of a header."""
    head = backbone.get("head") or ""
    return "foreground" if head is True else str(head)


def read_header(path: Path) -> dict[str, Any]:
    """Read the entries HEADER of a checkpoint: all but the tensors. Raises ModelError."""
    content = read(path)
    return {name: content.get(name) for name in HEADER}


def cached_header(path: Path, sha256: str, folder: Path) -> dict[str, Any]:
    """Read a header, cached in `folder` by the file's SHA-256, so that a second run need not import torch.

    Returns it with the entry "sha256". Raises ModelError.
    """
    cache = folder / f"checkpoint-{sha256[:16]}.json"
    cached: dict[str, Any] | None = recall(cache)
    if cached and cached.get("sha256") == sha256:
        return cached
    header = read_header(path) | {"sha256": sha256}
    with suppress(OSError, ValueError, TypeError):  # without the cache, the next run takes a second longer
        remember(cache, header)
    return header
