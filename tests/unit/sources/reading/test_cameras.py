"""Intrinsics from files and known data sets; otherwise they are unknown, and a note says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamseg.frame import Intrinsics
from streamseg.sources import Options, open_source
from streamseg.sources.reading.cameras import UNKNOWN, camera_of, find_known_set
from streamseg.text.asking import requests_in

VGA = (640, 480)
WANTED = Intrinsics(600.0, 601.0, 320.0, 240.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("intrinsics.txt", "600 601 320 240"),
        ("calibration.txt", "600 601 320 240 0.1 0 0 0"),
        ("camera-intrinsics.txt", "600 0 320\n0 601 240\n0 0 1\n"),
        ("intrinsics.txt", "600 0 320 0\n0 601 240 0\n0 0 1 0\n0 0 0 1\n"),
        ("intrinsics.json", json.dumps({"width": 640, "height": 480, "fx": 600, "fy": 601, "ppx": 320, "ppy": 240})),
        ("camera_intrinsic.json", json.dumps({"intrinsic_matrix": [600, 0, 0, 0, 601, 0, 320, 240, 1]})),
        ("tum.yaml", "Camera.fx: 600\nCamera.fy: 601.0\nCamera.cx: 320\nCamera.cy: 240\n"),
    ],
)
def test_every_kind_of_file_gives_the_intrinsics(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert camera_of(tmp_path, "scene", VGA) == (WANTED, ())


@pytest.mark.parametrize(
    ("name", "fx", "fy"),
    [
        ("rgbd_dataset_freiburg1_desk", 517.3, 516.5),
        ("tum_fr3_cabinet", 535.4, 539.2),
        ("rgbd_bonn_balloon", 542.822841, 542.576870),
        ("living_room_traj2_frei_png", 481.2, 480.0),
    ],
)
def test_published_sets_are_known_by_name(name: str, fx: float, fy: float, tmp_path: Path) -> None:
    camera = camera_of(tmp_path, name, VGA).intrinsics
    assert camera is not None
    assert (camera.fx, abs(camera.fy)) == (fx, fy)


def test_unknown_is_unknown_and_the_note_says_what_to_give(tmp_path: Path) -> None:
    assert find_known_set(["my_desk"]) is None
    camera = camera_of(tmp_path, "my_desk", (1280, 720))
    assert camera.intrinsics is None
    assert camera.notes == (UNKNOWN,)
    assert requests_in(camera.notes)[0].endswith(": --intrinsics FX,FY,CX,CY")


@pytest.mark.parametrize("text", ["", "a b c d", "nan 600 320 240", "0 0 0 0", "inf 1 1 1"])
def test_a_file_that_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "intrinsics.txt").write_text(text)
    camera = camera_of(tmp_path, "scene", VGA)
    assert camera.intrinsics is None
    assert camera.notes == ("intrinsics.txt cannot be read", UNKNOWN)


def test_another_size_is_scaled_and_another_shape_refused(tmp_path: Path) -> None:
    known = "rgbd_dataset_freiburg1_desk"
    half = camera_of(tmp_path, known, (320, 240)).intrinsics
    assert half is not None
    assert half.fx == pytest.approx(517.3 / 2)
    assert half.cx == pytest.approx((318.6 + 0.5) / 2 - 0.5)
    wide = camera_of(tmp_path, known, (1280, 720))
    assert wide.intrinsics is None
    assert "640x480" in wide.notes[0]
    assert wide.notes[1:] == (UNKNOWN,)


@pytest.mark.parametrize(("given", "fits"), [((60.0, 60.0, 31.5, 23.5), True), ((600.0, 600.0, 320.0, 240.0), False)])
def test_intrinsics_of_another_resolution_have_a_note(
    given: tuple[float, ...], fits: bool, tmp_path: Path, make: Any
) -> None:
    source = open_source(str(make.images(tmp_path, 2)), Options(intrinsics=Intrinsics(*given)))
    assert fits != any("do not fit pictures of 64x48" in note for note in source.notes)
