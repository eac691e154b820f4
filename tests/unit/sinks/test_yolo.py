"""Polygons for YOLO, as supervision reads them and as ultralytics fills them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.sinks import Run, open_sink

from .conftest import frame, scene


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def folder(tmp_path: Path, told: list[str]) -> Path:
    with open_sink("yolo", tmp_path, Run("x", masks="objects", log=told.append)) as sink:
        for index in range(2):
            sink.write(*frame(index, scene(index)))
    return tmp_path / "yolo"


def test_a_trainer_fills_the_same_masks(folder: Path) -> None:
    """As ultralytics does: shares times the size, cut to integers, cv2.fillPoly."""
    for index in range(2):
        wanted = scene(index)
        lines = (folder / "labels" / f"{index:05d}.txt").read_text().splitlines()
        assert len(lines) == 4
        for line, i in zip(lines, (1, 2, 3, 200), strict=True):
            kind, *numbers = line.split()
            corners = np.array(numbers, float).reshape(-1, 2) * wanted.shape[::-1]
            found = np.zeros(wanted.shape, np.uint8)
            cv2.fillPoly(found, [corners.astype(np.int32)], 1)
            assert kind == "0"
            assert len(corners) >= 3
            assert not ((wanted == i) & ~found.astype(bool)).any()
            gained = np.count_nonzero(found) - np.count_nonzero(wanted == i)
            assert gained == 0 if i != 2 else 0 < gained < 30  # the line between the two parts


def test_supervision_reads_it(folder: Path) -> None:
    supervision = pytest.importorskip("supervision")
    data = supervision.DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
    )
    assert data.classes == ["object"]
    for name, _, found in data:
        wanted = scene(int(Path(name).stem))
        assert len(found) == 4
        assert np.array_equal(found.mask[0], wanted == 1)
        assert np.array_equal(found.mask[3], wanted == 200)


def test_what_is_lost_is_told(folder: Path, told: list[str]) -> None:
    (line,) = told
    assert "no ids" in line
    assert "8 masks" in line
    assert "%" in line
