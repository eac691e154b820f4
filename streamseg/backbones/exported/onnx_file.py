"""What an .ONNX file says about itself: input `images` (N, 3, H, W), outputs `features` (N, D, h, w) and others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamseg
from streamseg.backbones.contract import Recipe
from streamseg.errors import ModelError

EXPECTED = "expected one float32 input (N, 3, H, W) and an output `features` (N, D, h, w), as `streamseg export` writes"


@dataclass(frozen=True)
class Facts:
    """name: of the backbone. sha256: of its weights. dim: D. size: the (H, W) it takes, or None where that is free.

    multiple: of which height and width must be, 0 = of the stride. precision: of the computation inside.
    """

    name: str
    sha256: str
    dim: int
    stride: int
    size: tuple[int, int] | None
    licence: str = ""
    multiple: int = 0
    precision: str = "fp32"


def facts_of(recipe: Recipe, sha256: str, dim: int, size: tuple[int, int] | None, precision: str = "fp32") -> Facts:
    """Of a network that is made by `recipe`, with weights of that SHA-256."""
    return Facts(
        name=recipe.name,
        sha256=sha256,
        dim=dim,
        stride=recipe.shape.stride,
        size=size,
        licence=recipe.licence,
        multiple=recipe.shape.multiple,
        precision=precision,
    )


def metadata(recipe: Recipe, facts: Facts, max_batch: int = 0) -> dict[str, str]:
    """The metadata_props of such a network's file. max_batch: 0 = unknown, and not said."""
    size = facts.size
    said = {
        "streamseg": streamseg.__version__,
        "method": recipe.method,
        "backbone": recipe.name,
        "architecture": recipe.architecture,
        "layers": ",".join(map(str, recipe.layers)),
        "facet": recipe.facet,
        "stride": str(facts.stride),
        "multiple": str(facts.multiple),
        "dim": str(facts.dim),
        "size": f"{size[0]}x{size[1]}" if size else "dynamic",
        "precision": facts.precision,
        "licence": recipe.licence,
        "source_sha256": facts.sha256,
    }
    return said | ({"max_batch": str(max_batch)} if max_batch else {})


Dims = tuple[int | None, ...]
"""Of one input or output; None = dynamic."""


def read(path: Path) -> Facts:
    """Facts from the file's metadata and shapes. Raises ModelError where it is not such a network."""
    return fitting(path, *ends(load(path)))


def load(path: Path) -> Any:
    """The ModelProto in the file at `path`, without external data. Raises ModelError where there is none."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as problem:  # the parser of protobuf has errors of its own
        raise ModelError(f"{str(path)!r} is not a readable ONNX file", EXPECTED) from problem
    return model


def ends(model: Any) -> tuple[dict[str, tuple[Dims, bool]], dict[str, Dims], dict[str, str]]:
    """Inputs (dimensions, whether float32), outputs (dimensions) and metadata of an ONNX model."""
    from onnx import TensorProto

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {
        value.name: (_dims(value), value.type.tensor_type.elem_type == TensorProto.FLOAT)
        for value in model.graph.input
        if value.name not in weights
    }
    outputs = {value.name: _dims(value) for value in model.graph.output}
    return inputs, outputs, {entry.key: entry.value for entry in model.metadata_props}


def fitting(path: Path, inputs: dict[str, tuple[Dims, bool]], outputs: dict[str, Dims], said: dict[str, str]) -> Facts:
    """Facts about a network file. Raises ModelError, with what was expected, where its ends are no backbone's.

    inputs: name to dimensions (None = dynamic) and whether it is float32; outputs: name to dimensions; said: metadata.
    """
    image, floats = next(iter(inputs.values())) if len(inputs) == 1 else ((), False)
    fits = len(image) == 4 and floats and image[0] in (1, None) and image[1] in (3, None)
    if not fits or len(outputs.get("features", ())) != 4:
        ends = {name: dims for name, (dims, _) in inputs.items()} | outputs
        shapes = ", ".join(f"{name} {list(dims)}" for name, dims in ends.items())
        raise ModelError(f"{str(path)!r} is not a backbone; it has {shapes or 'nothing'}", EXPECTED)
    return _facts(path, image, outputs["features"], said)


def _facts(path: Path, image: Dims, features: Dims, said: dict[str, str]) -> Facts:
    height, width = image[2:]
    dim = features[1] or _number(said.get("dim", ""))
    stride = _number(said.get("stride", "")) or (height // features[2] if height and features[2] else 0)
    if not dim or not stride:
        raise ModelError(
            f"{str(path)!r} does not contain its stride or its number of features",
            "add metadata_props `stride` and `dim`, as positive whole numbers",
        )
    return Facts(
        name=said.get("backbone", path.stem),
        sha256=said.get("source_sha256", ""),
        dim=dim,
        stride=stride,
        size=(height, width) if height and width else None,
        licence=said.get("licence", ""),
        multiple=_number(said.get("multiple", "")),
        precision=said.get("precision", "") or "fp32",
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _dims(value: Any) -> Dims:
    """The dimensions of an ONNX value, None where dynamic."""
    return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)
