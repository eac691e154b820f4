"""What an .ONNX file says about itself: input `images` (N, 3, H, W), outputs `features` (N, D, h, w)[, `attention`]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def read(path: Path) -> Facts:
    """Facts from the file's metadata and shapes. Raises ModelError where it is not such a network."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as problem:  # the parser of protobuf has errors of its own
        raise ModelError(f"{str(path)!r} is no readable ONNX file", EXPECTED) from problem
    inputs = {value.name: _dims(value) for value in model.graph.input}
    outputs = {value.name: _dims(value) for value in model.graph.output}
    said = {entry.key: entry.value for entry in model.metadata_props}
    weights = {tensor.name for tensor in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in weights]
    floats = all(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for value in images)
    image = inputs[images[0].name] if len(images) == 1 and floats else ()
    if (
        len(image) != 4
        or image[0] not in (1, None)
        or image[1] not in (3, None)
        or len(outputs.get("features", ())) != 4
    ):
        shapes = ", ".join(f"{name} {list(dims)}" for name, dims in (inputs | outputs).items())
        raise ModelError(f"{str(path)!r} is no backbone; it has {shapes or 'nothing'}", EXPECTED)
    return _facts(path, image, outputs["features"], said)


def _facts(path: Path, image: tuple, features: tuple, said: dict[str, str]) -> Facts:
    height, width = image[2:]
    dim = features[1] or _number(said.get("dim", ""))
    stride = _number(said.get("stride", "")) or (height // features[2] if height and features[2] else 0)
    if not dim or not stride:
        raise ModelError(
            f"{str(path)!r} does not tell its stride or its number of features",
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


def _dims(value: Any) -> tuple[int | None, ...]:
    """The dimensions of an ONNX value, None where dynamic."""
    return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)
