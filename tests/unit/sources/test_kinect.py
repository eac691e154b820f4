"""Azure Kinect: calibration, registration, and captures without colour or depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import open_source
from streamseg.sources.kinect import _lens
from streamseg.sources.reading.lenses import Calibration, Lens, _rays, project, register

DISTORTION = (0.33, -2.49, -1.6e-4, -1.3e-4, 1.45, 0.21, -2.3, 1.38)
LENS = Lens(Intrinsics(611.8, 611.9, 639.3, 365.9), DISTORTION, 1.7)
PLAIN = Lens(Intrinsics(250.0, 250.0, 160.0, 144.0), (0.0,) * 8, 1.7)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def test_projection_agrees_with_opencv() -> None:
    points = np.random.default_rng(0).uniform((-1, -0.6, 1), (1, 0.6, 3), (500, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), LENS.matrix, np.array(DISTORTION))
    np.testing.assert_allclose(project(points.T, LENS).T, expected.reshape(-1, 2), atol=1e-6)


def test_rays_are_the_inverse_of_projection() -> None:
    rays = _rays(LENS, 720, 1280)
    x, y = project(rays, LENS)
    expected = np.meshgrid(np.arange(1280), np.arange(720))
    seen = np.isfinite(x)
    assert seen.mean() > 0.99
    np.testing.assert_allclose(x[seen], expected[0].ravel()[seen], atol=0.05)
    np.testing.assert_allclose(y[seen], expected[1].ravel()[seen], atol=0.05)


def test_the_same_camera_sees_the_same_depth() -> None:
    depth = np.random.default_rng(0).uniform(1, 3, (288, 320)).astype(np.float32)
    depth[40:60, 40:60] = 0
    same = register(depth, Calibration(PLAIN, PLAIN, IDENTITY, (0.0, 0.0, 0.0)), (288, 320))
    np.testing.assert_allclose(same, depth, rtol=1e-6)


def test_a_box_before_a_wall_hides_it_and_moves_by_its_parallax() -> None:
    """With a translation of 0.1 m to the left, a point at z moves by f 0.1 / z pixels; near points cover far ones."""
    depth = np.full((288, 320), 2.0, np.float32)
    depth[100:150, 100:150] = 1.0
    seen = register(depth, Calibration(PLAIN, PLAIN, IDENTITY, (-0.1, 0.0, 0.0)), (288, 320))
    assert (seen[101:149, 76:124] == 1.0).all()  # moved by 25 pixels
    assert (seen[50, 10:300] == 2.0).all()
    assert (seen[120, 20:74] == 2.0).all()
    assert (seen[101:149, 126:136] == 0).all()  # the depth camera does not see this part of the wall
    assert set(np.unique(seen)) <= {0.0, 1.0, 2.0}


def test_a_finer_colour_camera_gets_no_holes() -> None:
    fine = Lens(Intrinsics(875.0, 875.0, 560.0, 504.0), (0.0,) * 8, 1.7)
    depth = np.full((288, 320), 1.5, np.float32)
    seen = register(depth, Calibration(fine, PLAIN, IDENTITY, (0.0, 0.0, 0.0)), (1008, 1120))
    assert (seen[8:-8, 8:-8] == np.float32(1.5)).all()


def test_modes_crop_and_scale(shared: Path) -> None:
    cameras = json.loads((shared / "data/azure_kinect_mkv/calibration.json").read_text())["CalibrationInformation"][
        "Cameras"
    ]
    full, small = _lens(cameras[1], "3072P").pinhole, _lens(cameras[1], "1536P").pinhole
    assert full.fx == pytest.approx(2 * small.fx)
    assert full.cx + 0.5 == pytest.approx(2 * (small.cx + 0.5))
    wide, cropped = _lens(cameras[0], "WFOV_UNBINNED").pinhole, _lens(cameras[0], "NFOV_UNBINNED").pinhole
    assert (wide.fx, wide.cx - 192, wide.cy - 180) == pytest.approx((cropped.fx, cropped.cx, cropped.cy))


def test_colour_and_registered_depth_are_read(tmp_path: Path, make: Any) -> None:
    make.kinect(tmp_path / "r.mkv")
    source = open_source(str(tmp_path))
    assert (source.kind, len(source), source.fps, source.skipped) == ("kinect", 3, 5.0, ())
    assert (source.depth_scale, source.depth_scale_origin) == (1000, "the format's own")
    assert source[0].intrinsics == pytest.approx(Intrinsics(512, 512, 639.5, 359.5))
    for i in range(3):
        frame = source[i]
        assert make.read_barcode(frame.rgb) == i
        depth = frame.depth
        assert depth is not None
        distance = 1 + 0.1 * i
        np.testing.assert_allclose(depth[depth > 0], distance, rtol=1e-6)
        half = 160 / 256 * 512  # half the width of the depth camera's view, in colour pixels
        left = 639.5 - half - 512 * 0.1 / distance
        columns = np.flatnonzero((depth > 0).any(0))
        assert columns[0] == pytest.approx(left, abs=3)
        assert (depth[360, columns[0] : columns[-1] + 1] > 0).all()


def test_depth_is_decoded_only_when_asked_for(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make.kinect(tmp_path / "r.mkv")
    source = open_source(str(tmp_path))
    monkeypatch.setattr("streamseg.sources.kinect.register", lambda *args: pytest.fail("decoded"))
    frame = source[0]
    assert frame.load_depth is not None
    with pytest.raises(pytest.fail.Exception, match="decoded"):
        _ = frame.depth


def test_captures_that_lack_a_track(tmp_path: Path, make: Any) -> None:
    make.kinect(tmp_path / "r.mkv", colour=(1, 2, 3), depth=(0, 2, 3))
    source = open_source(str(tmp_path))
    assert len(source) == 3
    assert [skip.reason for skip in source.skipped] == ["depth without colour"]
    assert (source[0].depth, source[0].depth_problem) == (None, "no depth in this capture")
    depth = source[1].depth
    assert depth is not None
    np.testing.assert_allclose(depth[depth > 0], 1.2, rtol=1e-6)


def test_without_calibration_there_is_no_depth_and_without_kinect_tracks_no_kinect(tmp_path: Path, make: Any) -> None:
    make.kinect(tmp_path / "r.mkv", calibrated=False)
    frame = open_source(str(tmp_path / "r.mkv"))[0]
    assert (frame.depth, frame.depth_problem, frame.intrinsics) == (None, "recording has no calibration", None)
    make.video(tmp_path / "plain.mkv")
    assert open_source(str(tmp_path / "plain.mkv")).kind == "video"
    with pytest.raises(SourceError, match="not an Azure Kinect recording"):
        open_source(f"kinect:{tmp_path / 'plain.mkv'}")


def test_real_recording_lines_up(shared: Path) -> None:
    """Depth steps are closer to colour edges than after a shift by 12 pixels to the left or right."""
    source = open_source(str(shared / "data/azure_kinect_mkv"))
    frame = source[0]
    depth = frame.depth
    assert depth is not None
    assert 0.5 < np.mean(depth > 0) < 0.7
    near = np.where((depth > 0) & (depth < 0.8), 1, 0).astype(np.uint8)  # the mug and the table
    steps = cv2.morphologyEx(near, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    steps[:, :250], steps[:370], steps[620:], steps[:, 520:] = False, False, False, False  # the mug's own outline
    edges = cv2.Canny(cv2.GaussianBlur(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.5), 20, 60)
    distance = cv2.distanceTransform(255 - edges, cv2.DIST_L2, 5)

    def mean_distance(dx: int, dy: int) -> float:
        return float(np.roll(distance, (dy, dx), (0, 1))[steps].mean())

    here = mean_distance(0, 0)
    assert here < min(mean_distance(dx, 0) for dx in (-12, 12))
