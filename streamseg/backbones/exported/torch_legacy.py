"""Reads tensors without torch from a file in torch's legacy format, which `torch.save` wrote before version 1.6.

The file begins with five pickles: a magic number, the version of the format, facts about the machine, the state dict,
in which tensors refer to their storages by keys, and the list of these keys. Then the storages follow in the order of
the list: the number of elements, as int64, and the elements, little-endian. Source: `_legacy_save` in
torch/serialization.py.

A pickle may name any function to be called. This reader accepts the storages and two other names only, as
torch.load(weights_only=True) does, so a file cannot execute code.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
"""Names of torch's storage classes, and NumPy's types of their elements."""


class Storage(NamedTuple):
    """The memory of a tensor in a file. key: its name. dtype: a value of STORAGES. length: number of elements."""

    key: str
    dtype: str
    length: int


class Tensor(NamedTuple):
    """The description of a tensor in a pickle. offset, strides: in elements of its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the state dict in a file, {name: float32 or int64 array}.

    Raises OSError; pickle.UnpicklingError for anything but tensors; and for a damaged file the errors of pickle and
    NumPy: ValueError, EOFError and others.
    """
    with path.open("rb") as file:
        magic, version, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(f"{str(path)!r} is not of torch's legacy format")
        if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
            raise pickle.UnpicklingError(f"{str(path)!r} holds more than named tensors")
        storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        elements = {key: _elements(file, storages[key]) for key in keys}
    return {name: _array(tensor, elements[tensor.storage.key]) for name, tensor in tensors.items()}


class _Unpickler(pickle.Unpickler):
    """Reads descriptions of tensors, without their elements."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        raise pickle.UnpicklingError(f"{module}.{name} is no tensor, and is not opened")

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _, length, view = pid
        if kind != "storage" or view is not None or dtype not in STORAGES.values():
            raise pickle.UnpicklingError(f"{pid!r} is no storage of a tensor")
        return Storage(str(key), dtype, int(length))


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Tensor:
    """Replace torch._utils._rebuild_tensor_v2. requires_grad and hooks are ignored."""
    return Tensor(storage, offset, shape, strides)


def _elements(file: BinaryIO, storage: Storage) -> np.ndarray:
    """Read the elements of the next storage in a file."""
    length = int.from_bytes(file.read(8), "little", signed=True)
    if length != storage.length or length < 0:
        raise ValueError(f"a storage has {length} elements instead of {storage.length}")
    content = file.read(length * np.dtype(storage.dtype).itemsize)
    return np.frombuffer(content, storage.dtype, length)  # ValueError if the file ends too early


def _array(tensor: Tensor, elements: np.ndarray) -> np.ndarray:
    """Return a tensor as an array, copied from the elements of its storage, because it may be transposed."""
    _, offset, shape, strides = tensor
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    # NumPy would read beyond the end
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= len(elements)):
        raise ValueError(f"a tensor {list(shape)} does not lie within its storage")
    places = tuple(stride * elements.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(elements[offset:], shape, places, writeable=False).copy()
