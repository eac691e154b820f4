"""What an ONNX file takes and gives, as engine builders and servers want to know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamseg.backbones import _onnx_file
from streamseg.errors import ModelError


@dataclass(frozen=True)
class Signature:
    """inputs, outputs: name to the dimensions of one image, without the batch; -1 where free.

    batch: the only batch size that the file takes, or 0 where any will do. metadata: its metadata_props.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    batch: int
    metadata: dict[str, str]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the input, -1 where free."""
        ((_, height, width),) = self.inputs.values()
        return height, width


def read(path: Path) -> Signature:
    """The signature of the backbone at `path`. Raises ModelError where it is no backbone, or not one file."""
    import onnx

    _onnx_file.read(path)  # refuses what is no backbone, with what was expected
    model = onnx.load(path, load_external_data=False)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{str(path)!r} keeps its weights in other files", "save it again as one file (onnx.save)")
    weights = {tensor.name for tensor in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in weights]
    for value in model.graph.output:
        if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            raise ModelError(f"the output {value.name} of {str(path)!r} is not float32", _onnx_file.EXPECTED)
    sides = {value.name: _sides(value) for value in (*images, *model.graph.output)}
    return Signature(
        inputs={value.name: sides[value.name][1:] for value in images},
        outputs={value.name: sides[value.name][1:] for value in model.graph.output},
        batch=max(0, sides[images[0].name][0]),
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )


def _sides(value: object) -> tuple[int, ...]:
    return tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim)  # type: ignore[attr-defined]
