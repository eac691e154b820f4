"""The cache folder stays small, and never loses what is in use."""

from __future__ import annotations

import os
import time
from pathlib import Path

from streamseg import cache


def _kept(folder: Path, name: str, size: int, hours: float) -> Path:
    path = folder / name
    path.write_bytes(bytes(size))
    path.with_suffix(".json").write_text("{}")
    used = time.time() - hours * 3600
    os.utime(path, (used, used))
    return path


def test_the_longest_unused_goes_first_with_what_describes_it(tmp_path: Path) -> None:
    old, newer, newest = (_kept(tmp_path, f"{hours}.onnx", 100, hours) for hours in (50, 20, 5))
    other = _kept(tmp_path, "timm.txt", 1000, 90)
    cache.trim(tmp_path, ".onnx", limit=200)
    assert not old.exists()
    assert not old.with_suffix(".json").exists()
    assert newer.exists()
    assert newest.with_suffix(".json").exists()
    assert other.exists()


def test_what_was_just_used_stays_whatever_the_limit(tmp_path: Path) -> None:
    paths = [_kept(tmp_path, f"{index}.onnx", 100, 0.1) for index in range(3)]
    old = _kept(tmp_path, "old.onnx", 100, 2)
    cache.trim(tmp_path, ".onnx", limit=0)
    assert all(path.exists() for path in paths)
    assert not old.exists()


def test_a_file_being_written_and_a_missing_folder_are_left_alone(tmp_path: Path) -> None:
    writing = _kept(tmp_path, ".new-abc.onnx", 100, 90)
    cache.trim(tmp_path, ".onnx", limit=0)
    cache.trim(tmp_path / "none", ".onnx", limit=0)
    assert writing.exists()
