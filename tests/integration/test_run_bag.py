"""A bag gives the masks that the same frames give in a TUM folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from streamseg.cli.run import run
from tests.unit.sources.bags import write_tum_like

INTRINSICS = "60,60,32,24"


def masks(source: Path, out: Path) -> dict[str, np.ndarray]:
    flags = ["--size", "64", "--save", "labels", "--quiet", "--intrinsics", INTRINSICS, "--k", "4"]
    CliRunner().invoke(run, [str(source), "-o", str(out), *flags], catch_exceptions=False)
    return {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(out.rglob("labels/*.png"))}


@pytest.mark.parametrize("container", ["bag", "mcap"])
def test_masks_of_a_bag_are_those_of_the_folder(container: str, tmp_path: Path) -> None:
    folder, frames = tmp_path / "rgbd_dataset_freiburg1_x", []
    lines: dict[str, list[str]] = {"rgb": [], "depth": []}
    for i in range(3):
        rgb = np.full((96, 128, 3), (40, 90, 160), np.uint8)
        rgb[20:60, 20 + 4 * i : 70 + 4 * i] = (220, 60, 30)
        depth = np.full((96, 128), 10_000, np.uint16)
        depth[20:60, 20 + 4 * i : 70 + 4 * i] = 5000
        stamps = {"rgb": f"{100 + i / 30:.6f}", "depth": f"{100.01 + i / 30:.6f}"}
        for name, values in (("rgb", rgb[..., ::-1]), ("depth", depth)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{stamps[name]}.png"), values)
            lines[name].append(f"{stamps[name]} {name}/{stamps[name]}.png")
        frames.append((100 + i / 30, rgb, depth.astype(np.float32) / 5000))
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(text))
    wanted = masks(folder, tmp_path / "one")
    found = masks(write_tum_like(tmp_path / "r.bag", frames, container), tmp_path / "other")
    assert len(wanted) == 3
    assert wanted.keys() == found.keys()
    assert all(np.array_equal(wanted[name], found[name]) for name in wanted)
