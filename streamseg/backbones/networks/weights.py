"""Reads weights from .pth and .safetensors files, and published ones from the hub. It never executes code in them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from streamseg.errors import ModelError
from streamseg.text import first_few

WRAPPERS = ("state_dict", "model", "teacher", "student", "backbone", "module", "encoder", "model_state_dict")
"""Names of the network in files of training programs, as keys or as prefixes of tensor names; outermost first."""
HEADS = ("head", "head_dist", "fc", "classifier", "mask_token", "projector", "predictor")
"""First parts of the names of tensors that a backbone does not need."""


def read(path: Path) -> dict[str, torch.Tensor]:
    """Read a file as {name: tensor}, without the WRAPPERS of training programs. Raises ModelError."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        if "weights_only" in str(problem).lower() or "Unsupported global" in str(problem):
            raise ModelError(
                f"{str(path)!r} holds Python objects, not only tensors, and is not opened",
                "save the network's state_dict() alone, or convert it to .safetensors",
            ) from problem
        raise _unreadable(path, problem) from problem
    except Exception as problem:  # torch and safetensors raise a dozen kinds of errors for damaged files
        raise _unreadable(path, problem) from problem
    tensors = _unwrapped(content)
    if not tensors:
        raise ModelError(f"{str(path)!r} holds no tensors", "--weights takes the state_dict of a network")
    return tensors


def _unreadable(path: Path, problem: Exception) -> ModelError:
    """Return the error for a damaged file."""
    reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:120]
    return ModelError(f"{str(path)!r} cannot be read as weights: {reason}", "is it complete? fetch or copy it again")


def _unwrapped(content: Any) -> dict[str, torch.Tensor]:
    """Return the tensors of the network in a checkpoint, {name: tensor}; {} if there are none."""
    if not isinstance(content, Mapping):
        return {}
    while True:
        wrapped = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        if not wrapped:
            break
        content = wrapped[0]
    return _without_prefixes({str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)})


def _without_prefixes(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with one of WRAPPERS, without it, or all if there are none.

    Other tensors are not of the network, such as a projection head of DINO or BYOL.
    """
    while True:
        prefixes = [f"{key}." for key in WRAPPERS if any(name.startswith(f"{key}.") for name in tensors)]
        if not prefixes:
            return tensors
        prefix = prefixes[0]
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def renamed_in_order(tensors: dict[str, torch.Tensor], like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give tensors the names of `like`, in order: it is the same network in another library.

    Both are in the order of the computation. Raises ModelError if the number or a shape differs.
    """
    same_count = len(tensors) == len(like)
    if not same_count or any(one.shape != other.shape for one, other in zip(tensors.values(), like.values())):
        raise ModelError("the weights do not match the network's tensors", "use weights of the same architecture")
    return dict(zip(like, tensors.values()))


def load(
    net: torch.nn.Module, tensors: dict[str, torch.Tensor], known: set[str], suggestion: Callable[[], str]
) -> None:
    """Load tensors into a network that is pruned to the chosen layers.

    known: names of the tensors of the whole network; those that `net` does not need are ignored. suggestion: returns
    the hint for a missing layer. Raises ModelError for missing or unknown tensors, and for wrong shapes.
    """
    needed = net.state_dict()
    unknown = [name for name in tensors if name not in known and name.split(".")[0] not in HEADS]
    missing = [name for name in needed if name not in tensors and not name.endswith("num_batches_tracked")]
    if len(missing) == sum(not name.endswith("num_batches_tracked") for name in needed):
        raise ModelError(
            f"the weights are of another network: they have {first_few(list(tensors))}, "
            f"wanted are {first_few(missing)}",
            "choose the model that the weights belong to",
        )
    wrong = [
        f"{name} {list(tensors[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in needed.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if wrong:
        raise ModelError(
            f"the weights have other shapes: {first_few(wrong)}", "choose the model that the weights belong to"
        )
    if missing:
        raise ModelError(f"the weights lack {_layers_of(missing)}: {first_few(missing)}", suggestion())
    if unknown:
        raise ModelError(
            f"the weights hold tensors that the network does not have: {first_few(unknown)}",
            "choose the model that the weights belong to",
        )
    net.load_state_dict({name: tensors.get(name, tensor) for name, tensor in needed.items()})


def _layers_of(names: list[str]) -> str:
    """Return the layers of tensors, for a message: "layer4" for "layer4.0.conv1.weight"."""
    outer = []
    for name in names:
        first, *rest = name.split(".")
        outer.append(f"{first}.{rest[0]}" if rest and rest[0].isdigit() else first)
    return first_few([repr(name) for name in dict.fromkeys(outer)])


def published(architecture: str) -> Path:
    """Return the file of the published weights of a timm architecture, from the local cache or downloaded.

    A download shows a progress bar on stderr. Raises ModelError, without a network connection within seconds.
    """
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
    from timm.models import get_pretrained_cfg

    entry = get_pretrained_cfg(architecture)
    if entry is None or not entry.hf_hub_id:
        raise ModelError(f"no weights of {architecture} are published", "give some with --weights FILE")
    repository = entry.hf_hub_id
    names = (entry.hf_hub_filename,) if entry.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
    for name in names:
        cached = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    _require_hub(architecture)
    if not sys.stderr.isatty():
        huggingface_hub.utils.disable_progress_bars()
    for name in names:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, name, etag_timeout=10))
        except LocalEntryNotFoundError as problem:
            raise _no_network(architecture, problem) from problem
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError) as problem:
            raise _no_network(architecture, problem) from problem
    raise ModelError(f"{repository} has none of {', '.join(names)}", "give weights with --weights FILE")


def _require_hub(architecture: str) -> None:
    """Raise ModelError if the hub does not answer a short request: its client would try for half a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception as problem:  # the hub's client may use any HTTP library
        raise _no_network(architecture, problem) from problem


def _no_network(architecture: str, problem: Exception) -> ModelError:
    """Return the error for weights that cannot be downloaded."""
    reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:120]
    return ModelError(
        f"the weights of {architecture} are not here yet and cannot be downloaded: {reason}",
        "connect to the network once, give --weights FILE, or use efficientnet_lite0, whose weights are installed",
    )
