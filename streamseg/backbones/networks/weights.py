"""Reading weights: .pth and .safetensors files from anybody, published ones from the hub; only tensors, never code."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from streamseg.errors import ModelError
from streamseg.text import some

WRAPPERS = ("state_dict", "model", "teacher", "student", "backbone", "module", "encoder", "model_state_dict")
"""Names under which training programs file the network, outermost first; as a dict's key or as a prefix of names."""
HEADS = ("head", "head_dist", "fc", "classifier", "mask_token", "projector", "predictor")
"""First names of tensors that a backbone does not need."""


def read(path: Path) -> dict[str, torch.Tensor]:
    """Read a weights file into {tensor name: tensor}, freed of the wrappers that training programs put around it."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        if "weights_only" in str(problem).lower() or "Unsupported global" in str(problem):
            raise ModelError(
                f"{str(path)!r} holds Python objects, not only tensors, and is not opened",
                "save the network's state_dict() alone, or convert it to .safetensors",
            ) from problem
        raise _unreadable(path, problem) from problem
    except Exception as problem:  # torch and safetensors have a dozen ways to say "damaged"
        raise _unreadable(path, problem) from problem
    tensors = _unwrapped(found)
    if not tensors:
        raise ModelError(f"{str(path)!r} holds no tensors", "--weights takes the state_dict of a network")
    return tensors


def _unreadable(path: Path, problem: Exception) -> ModelError:
    reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:120]
    return ModelError(f"{str(path)!r} cannot be read as weights: {reason}", "is it complete? fetch or copy it again")


def _unwrapped(found: Any) -> dict[str, torch.Tensor]:
    """The dict of tensors inside a checkpoint, without the prefix that its names share."""
    while isinstance(found, Mapping):
        inner = next((found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            break
        found = inner
    if not isinstance(found, Mapping):
        return {}
    tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
    while prefix := next((f"{key}." for key in WRAPPERS if any(name.startswith(f"{key}.") for name in tensors)), ""):
        # What stands beside the network (a projection head of DINO or BYOL) is left behind.
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return tensors


def renamed_in_order(tensors: dict[str, torch.Tensor], like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give `tensors` the names of `like`, one by one: the same network, written by another library.

    The order of definition is the order of computation in both, so every pair has to have the same shape.
    """
    pairs = list(zip(tensors.items(), like.items()))
    if len(tensors) != len(like) or any(mine.shape != its.shape for (_, mine), (_, its) in pairs):
        raise ModelError("the weights do not match the network's tensors", "use weights of the same architecture")
    return {name: mine for (_, mine), (name, _) in pairs}


def load(
    net: torch.nn.Module, tensors: dict[str, torch.Tensor], known: set[str], suggestion: Callable[[], str]
) -> None:
    """Put `tensors` into `net`, which is cut down to what the chosen layers need.

    known: names of the whole network, more than `net` needs, which may be there. suggestion: gives the hint when a
    layer is missing. Raises ModelError for missing, misshapen or unknown tensors, naming the first few.
    """
    needed = net.state_dict()
    unknown = [name for name in tensors if name not in known and name.split(".")[0] not in HEADS]
    missing = [name for name in needed if name not in tensors and not name.endswith("num_batches_tracked")]
    if len(missing) == sum(not name.endswith("num_batches_tracked") for name in needed):
        raise ModelError(
            f"the weights are of another network: they have {some(list(tensors))}, wanted are {some(missing)}",
            "choose the model that the weights belong to",
        )
    wrong = [
        f"{name} {list(tensors[name].shape)} instead of {list(its.shape)}"
        for name, its in needed.items()
        if name in tensors and tensors[name].shape != its.shape
    ]
    if wrong:
        raise ModelError(f"the weights have other shapes: {some(wrong)}", "choose the model that the weights belong to")
    if missing:
        raise ModelError(f"the weights lack {_layers_of(missing)}: {some(missing)}", suggestion())
    if unknown:
        raise ModelError(
            f"the weights hold tensors that the network does not have: {some(unknown)}",
            "choose the model that the weights belong to",
        )
    net.load_state_dict({name: tensors.get(name, its) for name, its in needed.items()})


def _layers_of(names: list[str]) -> str:
    """Outer names, once each: "layer4" of "layer4.0.conv1.weight", "blocks.3" of "blocks.3.0.bn1.bias"."""
    outer = []
    for name in names:
        first, *rest = name.split(".")
        outer.append(f"{first}.{rest[0]}" if rest and rest[0].isdigit() else first)
    return some([repr(name) for name in dict.fromkeys(outer)])


def published(architecture: str) -> Path:
    """The hub's weights file of a timm architecture, from the local cache or downloaded with a progress bar on stderr.

    Raises ModelError, in seconds, without network.
    """
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
    from timm.models import get_pretrained_cfg

    published_as = get_pretrained_cfg(architecture)
    if published_as is None or not (repository := published_as.hf_hub_id):
        raise ModelError(f"no weights of {architecture} are published", "give some with --weights FILE")
    names = (
        (published_as.hf_hub_filename,) if published_as.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
    )
    for name in names:
        found = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
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
    """One short request first: the hub's own client would try for half a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception as problem:  # which HTTP library lies underneath is the hub client's affair
        raise _no_network(architecture, problem) from problem


def _no_network(architecture: str, problem: Exception) -> ModelError:
    reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:120]
    return ModelError(
        f"the weights of {architecture} are not here yet and cannot be downloaded: {reason}",
        "connect to the network once, give --weights FILE, or use efficientnet_lite0, whose weights are installed",
    )
