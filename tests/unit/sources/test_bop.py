"""BOP scenes: a camera for each frame, depth in tenths of a millimetre, and instances as ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Recording, open_source
from streamseg.sources.bop import CAMERAS, paint
from tests.unit.sources.layouts import SIZE, colour, ramp, save, write_bop


@pytest.mark.parametrize("level", ["ycbv", "ycbv/test", "ycbv/test/000048"])
def test_what_was_written_comes_back(level: str, tmp_path: Path) -> None:
    write_bop(tmp_path)
    source = open_source(str(tmp_path / level))
    assert isinstance(source, Recording)
    assert (source.kind, len(source)) == ("bop", 3)
    for i in range(3):
        frame = source[i]
        assert np.array_equal(frame.rgb, colour(i))
        np.testing.assert_allclose(frame.depth, ramp(i, SIZE) / 1000, rtol=1e-5)
        assert frame.intrinsics == Intrinsics(60.0 + i, 61.0, 31.5, 23.5)
        ids = frame.annotation
        assert ids is not None
        assert np.unique(ids).tolist() == [0, 1, 2]
        assert (ids[10:20, 5:15] == 1).all()
        assert (ids[22:32, 5:15] == 2).all()
    assert [source.name_of(i) for i in range(3)] == ["000001", "000036", "000071"]
    assert source.depth_scale == pytest.approx(10000)


def test_several_scenes_are_listed(tmp_path: Path) -> None:
    scene = write_bop(tmp_path)
    scene.rename(scene.with_name("000049"))
    write_bop(tmp_path)
    with pytest.raises(SourceError, match="holds 2 BOP scenes"):
        open_source(str(scene.parent))


def test_a_frame_without_camera_has_no_depth_and_says_so(tmp_path: Path) -> None:
    scene = write_bop(tmp_path)
    cameras = json.loads((scene / CAMERAS).read_text())
    cameras["1"]["cam_K"] = [1, 2]
    del cameras["36"]
    (scene / CAMERAS).write_text(json.dumps(cameras))
    frames = [open_source(str(scene))[i] for i in range(3)]
    assert [frame.depth is None for frame in frames] == [True, True, False]
    assert frames[0].depth_problem == f"not in {CAMERAS}"
    assert frames[0].intrinsics is None


@pytest.mark.parametrize("text", ["", "[]", "{", "\0", "[" * 100_000])
def test_a_broken_camera_file_ends_in_words(text: str, tmp_path: Path) -> None:
    scene = write_bop(tmp_path)
    (scene / CAMERAS).write_text(text)
    with pytest.raises(SourceError, match="cannot be read as JSON"):
        open_source(str(scene))


@pytest.mark.parametrize(
    "camera",
    [None, 3, [], {}, {"cam_K": None}, {"cam_K": ["a"] * 9}, {"cam_K": [float("nan")] * 9}, {"cam_K": [0] * 9},
     {"cam_K": [1, 0, 1, 0, 1, 1, 0, 0, 1], "depth_scale": 0}, {"cam_K": [1] * 9, "depth_scale": "x"}],
)  # fmt: skip
def test_broken_cameras_are_no_cameras(camera: object, tmp_path: Path) -> None:
    scene = write_bop(tmp_path)
    (scene / CAMERAS).write_text(json.dumps({"1": camera}))
    frame = open_source(str(scene))[0]
    assert (frame.depth, frame.intrinsics) == (None, None)


def test_masks_that_cannot_be_are_frame_errors(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    save(tmp_path / "b.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(FrameError, match="different sizes"):
        paint([(0, tmp_path / "a.png"), (1, tmp_path / "b.png")])
    with pytest.raises(FrameError, match="above 254"):
        paint([(254, tmp_path / "a.png")])


def test_a_user_scale_goes_first(tmp_path: Path) -> None:
    source = open_source(str(write_bop(tmp_path)), Options(depth_scale=5000))
    np.testing.assert_allclose(source[0].depth, ramp(0, SIZE) * 10 / 5000, rtol=1e-5)
