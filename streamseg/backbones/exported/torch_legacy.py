"""Tensors of a file in torch's legacy format, which `torch.save` wrote before version 1.6; read without torch.

Five pickles stand first: a magic number, the version of the format, facts about the machine, the state dict, where a
tensor names its storage by a key, and the list of keys. Then in the order of that list each storage follows: how many
elements it has, as int64, and these, little-endian. Source: `_legacy_save` in torch/serialization.py.

A pickle may name any function and have it called. This reader knows two names besides those of storages, and refuses
all others, as torch.load(weights_only=True) does: out of a file come numbers, strings and containers, and no code.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
"""Classes of torch's, and what their elements are to numpy."""


class Storage(NamedTuple):
    """dtype: a value of STORAGES. length: in elements."""

    key: str
    dtype: str
    length: int


class Tensor(NamedTuple):
    """What a pickle says of a tensor: `offset` and `strides` in elements of its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> dict[str, np.ndarray]:
    """The state dict in the file at `path`: {name: float32 or int64 array}.

    Raises OSError, pickle.UnpicklingError for anything but tensors, and for a damaged file whatever pickle or numpy
    raises: ValueError, EOFError and others.
    """
    with path.open("rb") as file:
        magic, version, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(f"{str(path)!r} is not of torch's legacy format")
        if not isinstance(tensors, dict) or not all(isinstance(one, Tensor) for one in tensors.values()):
            raise pickle.UnpicklingError(f"{str(path)!r} holds more than named tensors")
        storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        elements = {key: _elements(file, storages[key]) for key in keys}
    return {name: _array(tensor, elements[tensor.storage.key]) for name, tensor in tensors.items()}


class _Unpickler(pickle.Unpickler):
    """Gives descriptions of tensors, whose numbers are not read yet."""

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
    """In place of torch._utils._rebuild_tensor_v2; whether it was trained and its hooks are left out."""
    return Tensor(storage, offset, shape, strides)


def _elements(file: BinaryIO, storage: Storage) -> np.ndarray:
    """The next storage in `file`."""
    length = int.from_bytes(file.read(8), "little", signed=True)
    if length != storage.length or length < 0:
        raise ValueError(f"a storage has {length} elements instead of {storage.length}")
    content = file.read(length * np.dtype(storage.dtype).itemsize)
    return np.frombuffer(content, storage.dtype, length)  # ValueError where the file ends too early


def _array(tensor: Tensor, elements: np.ndarray) -> np.ndarray:
    """The `tensor` that lies in the `elements` of its storage; copied, for it may be transposed."""
    _, offset, shape, strides = tensor
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    # numpy itself would look beyond the end
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= len(elements)):
        raise ValueError(f"a tensor {list(shape)} does not lie within its storage")
    places = tuple(stride * elements.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(elements[offset:], shape, places, writeable=False).copy()
