"""Poses at the time stamps of frames, compared with the trajectory and with SciPy's rotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from streamseg.sources import open_source
from streamseg.sources.reading.poses import poses_at

SAMPLE = Path(__file__).resolve().parents[4] / "samples" / "tabletop"


def test_the_sample_has_the_poses_of_its_list() -> None:
    rows = np.loadtxt(SAMPLE / "groundtruth.txt")
    with open_source(str(SAMPLE)) as source:
        frames = [source[i] for i in (0, 7)]
    for frame in frames:
        row = rows[np.abs(rows[:, 0] - frame.timestamp).argmin()]
        assert frame.pose is not None
        assert frame.pose[:3, 3] == pytest.approx(row[1:4])
        assert frame.pose[:3, :3] == pytest.approx(Rotation.from_quat(row[4:]).as_matrix())
        assert frame.pose[3].tolist() == [0, 0, 0, 1]


def test_between_readings_and_away_from_them(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    lines = f"# stamp\n10.00 0 0 0 0 0 0 1\n10.02 2 0 0 0 0 {half} {half}\n10.02 9 9 9 0 0 0 1\nbroken\n10.01 1 0 0 0"
    (tmp_path / "groundtruth.txt").write_text(lines)
    before, middle, after, gone = poses_at([9.99, 10.01, 10.03, 11.0], tmp_path, 0.02)
    assert gone is None
    assert middle is not None
    assert middle[:3, 3] == pytest.approx([1, 0, 0])
    assert Rotation.from_matrix(middle[:3, :3]).as_euler("xyz", degrees=True) == pytest.approx([0, 0, 45])
    assert before is not None
    assert after is not None
    assert before[:3, 3].tolist() == [0, 0, 0]
    assert after[:3, 3].tolist() == [2, 0, 0]


@pytest.mark.parametrize("text", ["", "# nothing\n", "1 0 0 0 0 0 0 0\n", "nan nan\n"])
def test_no_trajectory_no_pose(text: str, tmp_path: Path) -> None:
    assert poses_at([1.0], tmp_path, 0.02) == [None]
    (tmp_path / "groundtruth.txt").write_text(text)
    assert poses_at([1.0], tmp_path, 0.02) == [None]
    (tmp_path / "groundtruth.txt").write_text("1 0 0 0 0 0 0 2\n")
    (pose,) = poses_at([1.001], tmp_path, 0.02)
    assert np.array_equal(pose, np.eye(4))
