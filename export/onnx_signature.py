"""Read the signature of an ONNX file, its inputs and outputs, for engine builders and servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamseg.backbones.exported import onnx_file
from streamseg.errors import ModelError


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a network.

    inputs, outputs: {name: dimensions without the batch}, -1 = dynamic. batch: the only batch size that the network
    takes, 0 = dynamic. metadata: metadata_props of the file.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    batch: int
    metadata: dict[str, str]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the input, -1 = dynamic."""
        ((_, height, width),) = self.inputs.values()
        return height, width


def read(path: Path) -> Signature:
    """Return the signature of a backbone. Raises ModelError for other networks, and for weights in other files."""
    from onnx import TensorProto

    model = onnx_file.load(path)
    inputs, outputs, metadata = onnx_file.interface(model)
    onnx_file.checked_facts(path, inputs, outputs, metadata)  # raises an error if it is no backbone
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{str(path)!r} keeps its weights in other files", "save it again as one file (onnx.save)")
    for value in model.graph.output:
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            raise ModelError(f"the output {value.name} of {str(path)!r} is not float32", onnx_file.EXPECTED)
    ((image, _),) = inputs.values()
    return Signature(
        inputs={name: _without_batch(dims) for name, (dims, _) in inputs.items()},
        outputs={name: _without_batch(dims) for name, dims in outputs.items()},
        batch=image[0] or 0,
        metadata=metadata,
    )


def _without_batch(dims: onnx_file.Dims) -> tuple[int, ...]:
    """Return the dimensions without the batch; -1 = dynamic."""
    return tuple(side or -1 for side in dims[1:])
