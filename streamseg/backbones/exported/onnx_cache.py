"""Exports networks as .onnx files to the user's cache folder, with torch, except for the default network.

NAME.json contains the facts about NAME.onnx and its SHA-256. It is written last. If the two do not match, the network
is exported again.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import streamseg
from streamseg.backbones.contract import Log, Recipe
from streamseg.backbones.exported import cached
from streamseg.backbones.exported.onnx_file import Facts, read
from streamseg.cache import recall, remember, trim
from streamseg.errors import ModelError
from streamseg.files import safe_name, sha256_of

EXPORT_FORMAT = 4
"""Version of the export. Increase it if a recipe gives another graph than before."""
TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}
"""Largest difference between the outputs of an exported network and of torch, by precision. Features are in [-1, 1]."""


def onnx_file(recipe: Recipe, size: tuple[int, int], log: Log, precision: str = "fp32") -> tuple[Path, Facts]:
    """Return the exported network of `recipe` for images of `size`, from the cache if possible. Raises ModelError."""
    if recipe.kind == "onnx":
        if precision != "fp32":
            raise ModelError(f"{recipe.name} keeps the precision it was exported in", "leave --precision out")
        return Path(recipe.file), replace(read(Path(recipe.file)), sha256=recipe.sha256)
    path = cached.folder() / f"{file_stem(recipe, size, precision)}.onnx"
    facts = _cached(path, log)
    if facts is not None:
        log(f"using the exported network {path.name} from the cache")
        with suppress(OSError):
            path.touch()  # the longest unused file is deleted first
    else:
        started = time.perf_counter()
        facts = _export(recipe, size, precision, path, log)
        log(f"kept as {path} after {time.perf_counter() - started:.1f} s")
        trim(path.parent, ".onnx")
    return path, facts


def file_stem(recipe: Recipe, size: tuple[int, int], precision: str) -> str:
    """Return a readable file name that identifies the exported network."""
    identity = asdict(recipe) | {
        "file": "" if recipe.sha256 else recipe.file,
        "note": "",
        "input": size,
        "precision": precision,
        "streamseg": streamseg.__version__,
        "format": EXPORT_FORMAT,
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    return f"{safe_name(recipe.name).replace(' ', '_')}-{size[0]}x{size[1]}-{key}"


def _cached(path: Path, log: Log) -> Facts | None:
    """Return the facts about the exported file at `path`; None if it does not exist or, with a message, is damaged."""
    if not path.exists():
        return None
    content = recall(path.with_suffix(".json")) or {}
    with suppress(OSError, TypeError, KeyError):
        if sha256_of(path) == content["onnx_sha256"]:
            return Facts(**(content["facts"] | {"size": tuple(content["facts"]["size"] or ())}))
    log(f"the cached network {path} is damaged; making it again")
    return None


def _export(recipe: Recipe, size: tuple[int, int], precision: str, path: Path, log: Log) -> Facts:
    """Export a network to `path`. A file from torch is verified before it gets its name. Returns the facts about it."""
    from streamseg.backbones.exported import lite0

    is_lite0 = lite0.describes(recipe, precision)
    direct = is_lite0 and recipe.sha256 == lite0.SHA256
    how = "" if direct else ", and takes some seconds with PyTorch"
    why = ": its weights are not those that are installed with streamseg" if is_lite0 and not direct else ""
    log(f"preparing {recipe.name} for {size[0]}x{size[1]}; this happens once{how}{why}")
    with cached.written(path) as temporary:
        if direct:
            facts = lite0.write(recipe, size, temporary)
        else:
            from streamseg.backbones.networks import to_onnx

            network, facts = to_onnx.write(recipe, size, temporary, precision)
            to_onnx.verify(network, size, temporary, TOLERANCE[precision])
        digest = sha256_of(temporary)
    with cached.explained(path):
        remember(path.with_suffix(".json"), {"onnx_sha256": digest, "facts": asdict(facts)})
    return facts
