"""RGB-D pairs: names of files, encodings of depth, and cameras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.frame import Intrinsics
from streamseg.sources import Options, Skip, open_source
from streamseg.sources.rgbd import open as open_rgbd


@pytest.mark.parametrize(
    "colour", ["frame-{:06d}.color.png", "{:06d}-color.png", "SCENE{}_color.png", "color_{:03d}.png", "{}.color.x.png"]
)
@pytest.mark.parametrize("rotated", [False, True])
def test_pairs_and_encodings(colour: str, rotated: bool, tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.rgbd(tmp_path, rotated, colour)))
    assert (source.kind, len(source), source.skipped) == ("rgbd", 3, ())
    ramp = np.arange(48 * 64).reshape(48, 64) + 500
    for i in range(3):
        frame = source[i]
        assert frame.name == Path(colour.format(i)).stem
        assert np.array_equal(frame.rgb, make.texture(i))
        np.testing.assert_allclose(frame.depth, ramp / 1000, rtol=1e-6)


def test_rotated_depth_beyond_eight_metres_wraps_back(tmp_path: Path, make: Any) -> None:
    metric = np.linspace(500, 12000, 48 * 64).astype(np.uint16).reshape(48, 64)
    metric[:40] = np.linspace(500, 8000, 40 * 64).astype(np.uint16).reshape(40, 64)
    make.rgb(tmp_path / "SUN_color.png", make.texture(0))
    make.depth(tmp_path / "SUN_depth.png", (metric << 3) | (metric >> 13))
    depth = open_source(str(tmp_path))[0].depth
    np.testing.assert_allclose(depth, metric / 1000, rtol=1e-6)


def test_an_unclear_encoding_gives_no_depth_but_a_reason(tmp_path: Path, make: Any) -> None:
    make.rgbd(tmp_path)
    values = np.arange(1, 3000)
    chosen = np.concatenate((values[values % 8 == 0][:70], values[values % 8 > 1][:30]))
    for path in tmp_path.glob("*.depth.png"):
        make.depth(path, np.resize(chosen, (48, 64)))
    frame = open_source(str(tmp_path))[0]
    assert frame.depth is None
    assert frame.depth_problem.startswith("depth encoding unclear")


def test_depth_scale_option_and_missing_value(tmp_path: Path, make: Any) -> None:
    make.rgbd(tmp_path)
    depth = np.full((48, 64), 65535)
    depth[0, 0] = 500
    make.depth(tmp_path / "frame-000000.depth.png", depth)
    source = open_rgbd(str(tmp_path), Options(depth_scale=500.0))
    assert source[0].depth is not None
    assert source[0].depth.sum() == source[0].depth[0, 0] == 1
    assert source[1].depth is not None
    assert source[1].depth[0, 0] == pytest.approx(1.0)


def test_depth_without_colour_is_counted_and_colour_without_depth_stays(tmp_path: Path, make: Any) -> None:
    make.rgbd(tmp_path)
    (tmp_path / "frame-000000.color.png").unlink()
    (tmp_path / "frame-000002.depth.png").unlink()
    source = open_source(str(tmp_path))
    assert source.skipped == (Skip("frame-000000.depth", "depth without colour"),)
    assert [source.name_of(i) for i in range(len(source))] == ["frame-000001.color", "frame-000002.color"]
    assert (source[1].depth, source[1].depth_problem) == (None, "no depth file")


def test_colour_and_depth_in_two_folders(tmp_path: Path, make: Any) -> None:
    for i in range(3):
        make.rgb(tmp_path / f"color/{i:05d}.jpg", make.texture(i))
        make.depth(tmp_path / f"depth/{i:05d}.png", np.full((48, 64), 2000))
    source = open_source(str(tmp_path))
    assert (source.kind, len(source)) == ("rgbd", 3)
    assert source[2].depth is not None
    assert source[2].depth[0, 0] == 2.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("camera-intrinsics.txt", "60 0 31\n0 61 25\n0 0 1\n"),
        ("cam.info.txt", "# x\n# Color camera intrinsic matrix\n60 0 31\n0 61 25\n0 0 1\n# Depth\n1 0 0\n"),
        ("camera_params.json", '{"fx": 60, "fy": 61, "x_offset": 31, "y_offset": 25}'),
        ("camera_intrinsic.json", '{"intrinsic_matrix": [60, 0, 0, 0, 61, 0, 31, 25, 1]}'),
        ("intrinsics.txt", "# fx fy cx cy\n60.0 61.0, 31 25\n"),
        ("intrinsics.json", '{"width": 64, "height": 48, "fx": 60, "fy": 61, "cx": 31, "cy": 25}'),
        ("calibration.txt", "60 61 31 25 0.1 0.2"),
    ],
)
def test_files_of_intrinsics_are_read_and_garbage_is_unknown(name: str, text: str, tmp_path: Path, make: Any) -> None:
    make.rgbd(tmp_path)
    (tmp_path / name).write_text(text)
    assert open_source(str(tmp_path))[0].intrinsics == Intrinsics(60, 61, 31, 25)
    (tmp_path / name).write_text("garbage")
    assert open_source(str(tmp_path))[0].intrinsics is None


def test_real_folders(shared: Path) -> None:
    apc = open_source(str(shared / "data/apc_shelf_rgbd_masks"))
    assert len(apc) == 9
    frame = apc[4]
    assert frame.annotation is not None
    assert frame.depth is not None
    assert set(np.unique(frame.annotation)) <= {0, 48, 114, 132, 144}
    assert 0.3 < np.median(frame.depth[frame.depth > 0]) < 0.9  # a shelf within a robot's reach
    assert np.mean(frame.depth > 0) == pytest.approx(0.26, abs=0.05)
    mixed = open_source(str(shared / "data/rgbd_other_formats"))
    by_name = {mixed.name_of(i): mixed[i] for i in range(3)}
    assert by_name["NYU_color"].depth is None
    assert "disparity" in by_name["NYU_color"].depth_problem
    for name, far in (("SUN_color", 12), ("TUM_color", 10)):
        depth = by_name[name].depth
        assert depth is not None
        assert 0.5 < np.median(depth[depth > 0]) < 4
        assert depth.max() < far


def test_ycb_video_is_told_by_its_camera(shared: Path) -> None:
    for name, wanted in (("rgbd_ycbv_0001", 1.2), ("rgbd_ycbv_0049", 0.84)):
        source = open_source(str(shared / "data" / name))
        assert (source.depth_scale, "YCB-Video" in source.depth_scale_origin) == (10000, True)
        depth = source[0].depth
        assert np.median(depth[depth > 0]) == pytest.approx(wanted, rel=0.1)


def test_replica_and_3rscan_say_their_scale(tmp_path: Path, make: Any) -> None:
    replica, scan = tmp_path / "replica/office0/results", tmp_path / "scan/sequence"
    for i in range(2):
        make.rgb(replica / f"frame{i:06d}.png", make.texture(i))
        make.depth(replica / f"depth{i:06d}.png", np.full(make.size, 13107))
        make.rgb(scan / f"frame-{i:06d}.color.png", make.texture(i))
        make.depth(scan / f"frame-{i:06d}.depth.pgm", np.full(make.size, 1500))
    camera = {"w": 64, "h": 48, "fx": 32, "fy": 32, "cx": 31.5, "cy": 23.5, "scale": 6553.5}
    (tmp_path / "replica/cam_params.json").write_text(json.dumps({"camera": camera}))
    matrix = "32 0 31.5 0 0 32 23.5 0 0 0 1 0 0 0 0 1"
    (scan / "_info.txt").write_text(
        f"m_colorWidth = 64\nm_colorHeight = 48\nm_depthShift = 1000\nm_calibrationColorIntrinsic = {matrix}\n"
    )
    for folder, metres in ((replica, 2.0), (scan, 1.5)):
        source = open_source(str(folder))
        assert source[1].depth[0, 0] == pytest.approx(metres)
        assert source[1].intrinsics.fx == 32
        assert "assumed" not in source.depth_scale_origin
