"""Point clouds, read by trimesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamseg.frame import Frame, Intrinsics, Segmentation
from streamseg.sinks import Run, open_sink
from streamseg.text.asking import requests_in

from .conftest import scene

CAMERA = Intrinsics(60, 60, 39.5, 29.5)


def views(poses: list[np.ndarray]) -> list[tuple[Frame, Segmentation]]:
    """A wall at z = 2 m of the world with `scene` on it, seen by a camera at each pose, which only moves along z."""
    found = []
    for index, pose in enumerate(poses):
        labels = scene(0)
        depth = np.full(labels.shape, 2 - pose[2, 3], np.float32)
        depth[labels == 3] = 0  # no reading
        rgb = np.stack([labels, 2 * labels, np.full_like(labels, 9)], axis=2)
        frame = Frame(index, f"{index:05d}", index, rgb, CAMERA, load_depth=lambda depth=depth: depth, pose=pose)
        found.append((frame, Segmentation(labels, 4, objects=labels)))
    return found


def at(z: float) -> np.ndarray:
    pose = np.eye(4)
    pose[2, 3] = z
    return pose


def test_clouds_are_the_pixels_in_space(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    with open_sink("ply", tmp_path, Run("x", masks="objects")) as sink:
        for view in views([at(0.0)]):
            sink.write(*view)
    assert sorted(path.name for path in (tmp_path / "ply" / "frames").iterdir()) == [
        "00000-1.ply", "00000-2.ply", "00000-200.ply",
    ]  # fmt: skip
    for i in (1, 2, 200):
        cloud = trimesh.load(tmp_path / "ply" / "frames" / f"00000-{i}.ply")
        pixels = np.asarray(cloud.vertices)[:, :2] * 60 / 2 + (39.5, 29.5)
        found = np.zeros(scene(0).shape, bool)
        found[tuple(np.rint(pixels).astype(int).T[::-1])] = True
        assert np.array_equal(found, scene(0) == i)
        assert np.allclose(np.asarray(cloud.vertices)[:, 2], 2)
        assert {tuple(colour[:3]) for colour in np.asarray(cloud.colors)} == {(i, 2 * i % 256, 9)}


def test_views_are_fused_where_there_are_poses(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    told: list[str] = []
    with open_sink("ply", tmp_path, Run("x", masks="objects", log=told.append)) as sink:
        for view in views([at(0.0), at(0.0), at(0.0)]):
            sink.write(*view)
    cloud = trimesh.load(tmp_path / "ply" / "fused" / "200.ply")
    rows, columns = np.nonzero(scene(0) == 200)
    assert len(cloud.vertices) == (np.ptp(rows) + 1 - 2) * (np.ptp(columns) + 1 - 4)  # without its margin
    assert not told


def test_poses_move_the_points_into_one_world() -> None:
    from streamseg.sinks.encoding.cloud import FusedCloud

    cloud = FusedCloud(voxel=0.01)
    turn = np.array([[0.0, -1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    points = np.array([[0.101, 0.202, 0.303], [1.001, 1.002, 1.003]])
    colours = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
    cloud.add(points, colours, turn)
    cloud.add(points + 0.002, colours + np.uint8(2), turn)
    found, shades = cloud.mean
    order = np.argsort(found[:, 2])
    assert found[order] == pytest.approx((points + 0.001) @ turn[:3, :3].T + turn[:3, 3])
    assert shades[order].tolist() == [[11, 21, 31], [41, 51, 61]]


def test_frames_without_points_in_space_have_a_note(tmp_path: Path) -> None:
    told: list[str] = []
    labels = scene(0)
    rgb = np.zeros((*labels.shape, 3), np.uint8)
    ones = np.ones(labels.shape, np.float32)
    with open_sink("ply", tmp_path, Run("x", log=told.append)) as sink:
        for frame in (
            Frame(0, "a", 0.0, rgb),
            Frame(1, "b", 0.0, rgb, load_depth=lambda: ones),
            Frame(2, "c", 0.0, rgb, CAMERA, load_depth=lambda: ones, depth_is_metric=False),
        ):
            sink.write(frame, Segmentation(labels, 4))
    assert not list(tmp_path.iterdir())
    assert [word in line for word, line in zip(("no depth", "intrinsics", "metres"), told)] == [True] * 3
    (asking,) = requests_in(told)
    assert asking.endswith("--intrinsics FX,FY,CX,CY")
