"""Bags and RealSense recordings give the frames and the masks that the same data give in a TUM folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from streamseg.cli.run import run
from streamseg.sources import open_source
from tests.unit.sources.bags import write_tum_like
from tests.unit.sources.realsense_files import Moments, record_db3, write_bag

SIZE = (96, 128)
KINDS = ("bag", "db3", "mcap", "realsense.bag", "realsense.db3")


def moments(count: int = 3) -> Moments:
    """Textures, a box that moves before a wall, a hole in the depth; the last row and column have no reading, which
    what is registered may lose."""
    found = []
    noise = np.random.default_rng(0).integers(0, 30, (*SIZE, 3), np.uint8)
    for i in range(count):
        rgb = noise + np.array((40, 90, 160), np.uint8)
        rgb[20:60, 20 + 4 * i : 70 + 4 * i] = (220, 60, 30)
        depth = np.full(SIZE, 2000, np.uint16)
        depth[20:60, 20 + 4 * i : 70 + 4 * i] = 1000 + 10 * i
        depth[70:80, 10:30] = 0
        depth[-1], depth[:, -1] = 0, 0
        found.append((rgb, depth))
    return found


def write_tum(folder: Path, frames: Moments) -> Path:
    lines: dict[str, list[str]] = {"rgb": [], "depth": []}
    for i, (rgb, depth) in enumerate(frames):
        stamps = {"rgb": f"{100 + i / 30:.6f}", "depth": f"{100.01 + i / 30:.6f}"}
        for name, values in (("rgb", rgb[..., ::-1]), ("depth", depth * np.uint16(5))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{stamps[name]}.png"), values)
            lines[name].append(f"{stamps[name]} {name}/{stamps[name]}.png")
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(text))
    return folder


def masks(source: Path, out: Path) -> list[np.ndarray]:
    flags = ["--size", "64", "--save", "labels", "--quiet", "--intrinsics", "60,60,32,24", "--k", "4"]
    CliRunner().invoke(run, [str(source), "-o", str(out), *flags], catch_exceptions=False)
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(out.rglob("labels/*.png"))]


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    folder = tmp_path_factory.mktemp("tum")
    return masks(write_tum(folder / "rgbd_dataset_freiburg1_x", moments()), folder / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_those_of_the_folder(kind: str, wanted: list[np.ndarray], tmp_path: Path) -> None:
    frames = moments()
    if kind == "realsense.db3":
        pytest.importorskip("pyrealsense2", reason="pyrealsense2 is not installed")
        path = record_db3(tmp_path / "r.db3", frames)
    elif kind == "realsense.bag":
        path = write_bag(tmp_path / "r.bag", frames)
    else:
        metres = [(100 + i / 30, rgb, depth.astype(np.float32) / 1000) for i, (rgb, depth) in enumerate(frames)]
        path = write_tum_like(tmp_path / "r.bag", metres, kind)
    source = open_source(str(path))
    assert len(source) == len(frames)  # type: ignore[arg-type]
    for frame, (rgb, depth) in zip((source[i] for i in range(len(frames))), frames):  # type: ignore[index]
        assert np.array_equal(frame.rgb, rgb)
        assert frame.depth == pytest.approx(depth / 1000, abs=1e-6)
    found = masks(path, tmp_path / "out")
    assert len(found) == len(wanted) == 3
    assert len(np.unique(wanted[0])) > 1
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted))
