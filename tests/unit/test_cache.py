"""The cache folder stays small, and files in use are never deleted."""

from __future__ import annotations

import os
import time
from pathlib import Path

from streamseg import cache


def _cached(folder: Path, name: str, size: int, hours: float) -> Path:
    path = folder / name
    path.write_bytes(bytes(size))
    path.with_suffix(".json").write_text("{}")
    used = time.time() - hours * 3600
    os.utime(path, (used, used))
    return path


def test_the_least_recently_used_file_is_deleted_first_with_its_description(tmp_path: Path) -> None:
    old, newer, newest = (_cached(tmp_path, f"{hours}.onnx", 100, hours) for hours in (50, 20, 5))
    other = _cached(tmp_path, "timm.txt", 1000, 90)
    cache.trim(tmp_path, ".onnx", limit=200)
    assert not old.exists()
    assert not old.with_suffix(".json").exists()
    assert newer.exists()
    assert newest.with_suffix(".json").exists()
    assert other.exists()


def test_files_in_use_are_never_deleted(tmp_path: Path) -> None:
    paths = [_cached(tmp_path, f"{index}.onnx", 100, 0.1) for index in range(3)]
    old = _cached(tmp_path, "old.onnx", 100, 2)
    cache.trim(tmp_path, ".onnx", limit=0)
    assert all(path.exists() for path in paths)
    assert not old.exists()


def test_a_file_being_written_and_a_missing_folder_are_left_alone(tmp_path: Path) -> None:
    writing = _cached(tmp_path, ".new-abc.onnx", 100, 90)
    cache.trim(tmp_path, ".onnx", limit=0)
    cache.trim(tmp_path / "none", ".onnx", limit=0)
    assert writing.exists()
