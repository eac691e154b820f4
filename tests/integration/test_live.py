"""`streamseg run` on a film played like a camera, and what looking ahead changes on a recording: nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .conftest import read_labels


def test_a_film_plays_like_a_camera(sample: Path, cli: Callable[..., Any], tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    pictures = [cv2.resize(cv2.imread(str(path)), (128, 96)) for path in sorted((sample / "rgb").iterdir())[:20]]
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 30, (128, 96))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    command = ("run", f"camera:{film}", "--size", "96", "--save", "labels,overlay", "--json")
    done = cli(*command, "-o", tmp_path / "all", "--policy", "all", "--batch", "4")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["source"]["kind"] == "camera"
    assert (result["frames"], result["dropped"]) == (20, 0)
    latest = json.loads(cli(*command, "-o", tmp_path / "latest").stdout)
    assert latest["frames"] + latest["dropped"] == 20
    assert latest["model"]["size"] == [96, 128]


def test_batches_give_the_same_masks(sample: Path, run_json: Callable[..., Any], tmp_path: Path) -> None:
    few = ("--size", "96", "--save", "labels", "--max-frames", 14)
    for batch in (1, 4):
        run_json(sample, tmp_path / str(batch), *few, "--batch", batch)
    one, four = (read_labels(tmp_path / name) for name in ("1", "4"))
    assert len(one) == len(four) == 14
    assert np.mean([(a != b).mean() for a, b in zip(one, four, strict=True)]) < 1e-3
