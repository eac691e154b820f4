"""What an ONNX file takes and gives, as engine builders and servers want to know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamseg.backbones.exported import onnx_file
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
    from onnx import TensorProto

    model = onnx_file.load(path)
    inputs, outputs, metadata = onnx_file.interface(model)
    onnx_file.checked_facts(path, inputs, outputs, metadata)  # refuses what is no backbone, with what was expected
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{str(path)!r} keeps its weights in other files", "save it again as one file (onnx.save)")
    for value in model.graph.output:
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            raise ModelError(f"the output {value.name} of {str(path)!r} is not float32", onnx_file.EXPECTED)
    ((image, _),) = inputs.values()
    return Signature(
        inputs={name: _of_one(dims) for name, (dims, _) in inputs.items()},
        outputs={name: _of_one(dims) for name, dims in outputs.items()},
        batch=image[0] or 0,
        metadata=metadata,
    )


def _of_one(dims: onnx_file.Dims) -> tuple[int, ...]:
    """The dimensions without the batch; -1 where free."""
    return tuple(side or -1 for side in dims[1:])
