"""Tests the reader of torch's legacy format: the same tensors as torch, no code, nothing beyond a storage."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec, zoo
from streamseg.backbones.exported import torch_legacy

REBUILD = torch._utils._rebuild_tensor_v2


class Call:
    """An object that is pickled as a call of `function`."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


class Storage:
    """An object that is pickled as storage "0", of `length` elements."""

    def __init__(self, length):
        self.length = length


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", torch.FloatStorage, "0", "cpu", value.length, None) if isinstance(value, Storage) else None


def written(path: Path, state, numbers, magic=torch_legacy.MAGIC):
    """Write a file with one storage, also such that torch.save would not write."""
    content = io.BytesIO()
    for part in (magic, torch_legacy.VERSION, {}, state, ["0"]):
        Pickler(content, protocol=2).dump(part)
    content.write(len(numbers).to_bytes(8, "little") + np.asarray(numbers, "<f4").tobytes())
    path.write_bytes(content.getvalue())
    return path


def tensor(length, offset, shape, strides):
    return Call(REBUILD, Storage(length), offset, shape, strides, False, OrderedDict())


def same(mine, its):
    assert list(mine) == list(its)
    for name, value in mine.items():
        wanted = its[name].numpy()
        assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
        assert np.array_equal(value, wanted)
        assert value.flags.c_contiguous


def test_the_installed_weights_are_read_as_torch_reads_them():
    path = zoo.recipe(Spec("efficientnet_lite0")).file
    same(torch_legacy.read(Path(path)), torch.load(path, weights_only=True))


def test_views_of_every_kind_are_read_as_torch_reads_them(tmp_path):
    whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    state = OrderedDict(whole=whole, turned=whole.permute(2, 0, 1), part=whole[1:, ::2, 1], one=whole[1, 2, 3])
    state |= {"steps": torch.tensor(7), "none": torch.zeros(2, 0, 3)}
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    same(torch_legacy.read(tmp_path / "a.pth"), torch.load(tmp_path / "a.pth", weights_only=True))


def test_the_file_by_hand_is_a_good_one_else(tmp_path):
    path = written(tmp_path / "a.pth", {"a": tensor(4, 1, (3,), (1,))}, [1, 2, 3, 4])
    assert torch_legacy.read(path)["a"].tolist() == [2, 3, 4]
    same(torch_legacy.read(path), torch.load(path, weights_only=True))


@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, torch.load, torch._utils._rebuild_parameter, np.zeros])
@pytest.mark.parametrize("place", ["state", "magic"])
def test_no_code_is_run(function, place, tmp_path):
    call = Call(function, str(tmp_path / "made"))
    state, magic = ({"a": call}, torch_legacy.MAGIC) if place == "state" else ({}, call)
    path = written(tmp_path / "a.pth", state, [1], magic)
    with pytest.raises(pickle.UnpicklingError, match="is not opened"):
        torch_legacy.read(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("state", [{"a": 3}, [1], {"a": OrderedDict()}, {"a": tensor(4, 0, (4,), (1,)), "b": "text"}])
def test_only_tensors_come_out(state, tmp_path):
    with pytest.raises(pickle.UnpicklingError, match="more than named tensors"):
        torch_legacy.read(written(tmp_path / "a.pth", state, [1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (5,), (1,)), (4, (), ()), (0, (2, 2), (3, 2)), (-1, (2,), (1,)), (3, (2,), (-1,)), (0, (1 << 40,), (1,))],
)
def test_nothing_is_read_beyond_a_storage(offset, shape, strides, tmp_path):
    path = written(tmp_path / "a.pth", {"a": tensor(4, offset, shape, strides)}, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="within its storage"):
        torch_legacy.read(path)


def test_a_storage_of_another_length_is_refused(tmp_path):
    path = written(tmp_path / "a.pth", {"a": tensor(4, 0, (4,), (1,))}, [1, 2, 3])
    with pytest.raises(ValueError, match="3 elements instead of 4"):
        torch_legacy.read(path)


def test_a_file_that_was_cut_is_refused(tmp_path):
    path = written(tmp_path / "a.pth", {"a": tensor(4, 0, (4,), (1,))}, [1, 2, 3, 4])
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises((pickle.UnpicklingError, ValueError, EOFError)):
            torch_legacy.read(path)


def test_another_format_is_refused(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "zip.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch_legacy.read(tmp_path / "zip.pth")
    with pytest.raises(ValueError, match="legacy format"):
        torch_legacy.read(written(tmp_path / "a.pth", {}, [1], magic=5))
