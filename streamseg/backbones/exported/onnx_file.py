"""Reads and writes the metadata of ONNX files, from `images` (N, 3, H, W) to `features` (N, D, h, w) and others."""

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
    """What a file says about its network. name: of the backbone. sha256: of the weights. dim: channels of the features.
    stride: pixels per feature cell. size: (H, W) of the input; None = dynamic. multiple: height and width must be
    multiples of it; 0 = of the stride. precision: of the computation.
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
    """Return the facts about the network of `recipe`. sha256: of its weights. dim, size, precision: as in Facts."""
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
    """Return the metadata_props of a network's file. max_batch: 0 = unknown; then there is no entry for it."""
    size = facts.size
    properties = {
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
    return properties | ({"max_batch": str(max_batch)} if max_batch else {})


Dims = tuple[int | None, ...]
"""Dimensions of an input or output; None = dynamic."""


def read(path: Path) -> Facts:
    """Read the facts from the metadata and the shapes in a file. Raises ModelError if it is not a backbone."""
    return checked_facts(path, *interface(load(path)))


def load(path: Path) -> Any:
    """Read the ModelProto in a file, without external data. Raises ModelError."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as problem:  # protobuf's parser has its own kinds of errors
        raise ModelError(f"{str(path)!r} is not a readable ONNX file", EXPECTED) from problem
    return model


def interface(model: Any) -> tuple[dict[str, tuple[Dims, bool]], dict[str, Dims], dict[str, str]]:
    """Return the inputs (dimensions, whether float32), the outputs (dimensions) and the metadata of an ONNX model."""
    from onnx import TensorProto

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {
        value.name: (_dims(value), value.type.tensor_type.elem_type == TensorProto.FLOAT)
        for value in model.graph.input
        if value.name not in weights
    }
    outputs = {value.name: _dims(value) for value in model.graph.output}
    return inputs, outputs, {entry.key: entry.value for entry in model.metadata_props}


def checked_facts(
    path: Path, inputs: dict[str, tuple[Dims, bool]], outputs: dict[str, Dims], metadata: dict[str, str]
) -> Facts:
    """Return the facts about a file from its `interface`. Raises ModelError if that is not the one of a backbone."""
    image, floats = next(iter(inputs.values())) if len(inputs) == 1 else ((), False)
    fits = len(image) == 4 and floats and image[0] in (1, None) and image[1] in (3, None)
    if not fits or len(outputs.get("features", ())) != 4:
        found = {name: dims for name, (dims, _) in inputs.items()} | outputs
        shapes = ", ".join(f"{name} {list(dims)}" for name, dims in found.items())
        raise ModelError(f"{str(path)!r} is not a backbone; it has {shapes or 'nothing'}", EXPECTED)
    return _facts(path, image, outputs["features"], metadata)


def _facts(path: Path, image: Dims, features: Dims, metadata: dict[str, str]) -> Facts:
    """As `checked_facts`, from the dimensions of the input and of the features."""
    height, width = image[2:]
    dim = features[1] or _number(metadata.get("dim", ""))
    stride = _number(metadata.get("stride", "")) or (height // features[2] if height and features[2] else 0)
    if not dim or not stride:
        raise ModelError(
            f"{str(path)!r} does not contain its stride or its number of features",
            "add metadata_props `stride` and `dim`, as positive whole numbers",
        )
    return Facts(
        name=metadata.get("backbone", path.stem),
        sha256=metadata.get("source_sha256", ""),
        dim=dim,
        stride=stride,
        size=(height, width) if height and width else None,
        licence=metadata.get("licence", ""),
        multiple=_number(metadata.get("multiple", "")),
        precision=metadata.get("precision", "") or "fp32",
    )


def _number(text: str) -> int:
    """Return a non-negative whole number; 0 for another text."""
    return int(text) if text.isdecimal() else 0


def _dims(value: Any) -> Dims:
    """Return the dimensions of an ONNX value; None = dynamic."""
    return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)
