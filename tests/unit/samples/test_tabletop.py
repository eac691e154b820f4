"""The clip samples/tabletop is complete and small, and its colours, depths, masks and poses agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamseg.masks.palette import davis
from streamseg.sources import Recording, open_source

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
CLIP = SAMPLES / "tabletop"
FOCAL, MIDDLE = 525.0, np.array([319.5, 239.5])
OBJECTS = set(range(1, 7))


def rows(name: str) -> list[list[str]]:
    lines = (CLIP / name).read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if not line.startswith("#")]


def depth(i: int) -> np.ndarray:
    """(480, 640) metres, 0 = hole."""
    return np.asarray(Image.open(CLIP / rows("depth.txt")[i][1])) / 5000


def mask(i: int) -> np.ndarray:
    return np.asarray(Image.open(CLIP / "masks" / f"{Path(rows('rgb.txt')[i][1]).stem}.png"))


def pose(i: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and position (3,) of the camera [m], computed by the definition of a quaternion."""
    x, y, z, a, b, c, w = (float(number) for number in rows("groundtruth.txt")[i][1:])
    turn = [
        [1 - 2 * (b * b + c * c), 2 * (a * b - c * w), 2 * (a * c + b * w)],
        [2 * (a * b + c * w), 1 - 2 * (a * a + c * c), 2 * (b * c - a * w)],
        [2 * (a * c - b * w), 2 * (b * c + a * w), 1 - 2 * (a * a + b * b)],
    ]
    return np.array(turn), np.array([x, y, z])


def world(i: int) -> np.ndarray:
    """(480, 640, 3): the point in the world [m] of each pixel of frame i, by its depth and pose."""
    z, (turn, position) = depth(i), pose(i)
    v, u = np.mgrid[:480, :640]
    rays = np.stack([(u - MIDDLE[0]) / FOCAL, (v - MIDDLE[1]) / FOCAL, np.ones_like(z)], axis=-1)
    return (rays * z[..., None]) @ turn.T + position


def agreement(first: int, last: int, moved: bool = True) -> float:
    """Share of the object pixels in `first` visible in `last` (same depth within 2 cm) that have one id in both."""
    known = (mask(first) > 0) & (depth(first) > 0)
    turn, position = pose(last if moved else first)
    points = (world(first)[known] - position) @ turn
    u, v = np.round(points[:, :2] / points[:, 2:] * FOCAL + MIDDLE).astype(int).T
    inside = (u >= 0) & (u < 640) & (v >= 0) & (v < 480)
    u, v, z, ids = u[inside], v[inside], points[inside, 2], mask(first)[known][inside]
    seen = (depth(last)[v, u] > 0) & (np.abs(depth(last)[v, u] - z) < 0.02)
    assert seen.sum() > 0.2 * known.sum()
    return float((mask(last)[v, u] == ids)[seen].mean())


def test_lists_name_every_file_once() -> None:
    stamps = {}
    for kind, suffix in (("rgb", "jpg"), ("depth", "png")):
        entries = rows(f"{kind}.txt")
        assert [name for _, name in entries] == [f"{kind}/{stamp}.{suffix}" for stamp, _ in entries]
        assert {name for _, name in entries} == {f"{kind}/{path.name}" for path in (CLIP / kind).iterdir()}
        stamps[kind] = np.array([float(stamp) for stamp, _ in entries])
        assert (np.diff(stamps[kind]) > 0).all()
    late = stamps["depth"] - stamps["rgb"]
    assert len(late) == 24
    assert ((late > 0) & (late < 0.02)).all()
    assert [entry[0] for entry in rows("groundtruth.txt")] == [entry[0] for entry in rows("rgb.txt")]
    assert {path.stem for path in (CLIP / "masks").iterdir()} == {path.stem for path in (CLIP / "rgb").iterdir()}


def test_images_have_the_documented_types() -> None:
    for folder, mode in (("rgb", "RGB"), ("depth", "I;16"), ("masks", "P")):
        for path in sorted((CLIP / folder).iterdir()):
            with Image.open(path) as image:
                assert (image.mode, image.size) == (mode, (640, 480)), path.name
                if mode == "P":
                    colours = np.array(image.getpalette()).reshape(-1, 3)
                    assert (colours[:7] == davis()[:7]).all()


def test_all_objects_are_visible_in_every_frame() -> None:
    for i in range(24):
        ids, counts = np.unique(mask(i), return_counts=True)
        assert set(ids.tolist()) == OBJECTS | {0}
        assert counts.min() > 500


def test_one_object_hides_another_in_some_frame() -> None:
    def touch(ids: np.ndarray) -> bool:
        pairs = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()])
        return bool(((pairs[0] != pairs[1]) & (pairs > 0).all(axis=0)).sum() > 20)

    assert any(touch(mask(i)) for i in range(24))


def test_share_of_holes() -> None:
    shares = [(depth(i) == 0).mean() for i in range(24)]
    assert min(shares) > 0.02
    assert max(shares) < 0.30


def test_poses_project_the_masks_of_the_first_frame_onto_the_last() -> None:
    assert agreement(0, 23) > 0.90
    assert agreement(0, 1) > 0.90


def test_a_wrong_pose_is_noticed() -> None:
    with pytest.raises(AssertionError):
        assert agreement(0, 23, moved=False) > 0.90


def test_table_top_is_the_plane_of_the_readme() -> None:
    for i in (0, 12, 23):
        points = world(i)[(depth(i) > 0) & (depth(i) < 1.5) & (mask(i) == 0)]
        table = points[np.abs(points[:, 2]) < 0.05, 2]
        assert len(table) > 50_000
        assert abs(np.median(table)) < 0.003


def test_objects_stand_on_the_table_at_one_place() -> None:
    for number in OBJECTS:
        middles = [np.median(world(i)[(mask(i) == number) & (depth(i) > 0)], axis=0) for i in (0, 12, 23)]
        assert np.ptp(middles, axis=0).max() < 0.08  # the visible side changes, the object does not move
        assert all(0 < middle[2] < 0.2 for middle in middles)


def test_camera_moves_on_an_arc_at_arms_length() -> None:
    positions = np.array([pose(i)[1] for i in range(24)])
    distance = np.linalg.norm(positions - [0.02, -0.02, 0.085], axis=1)
    assert ((distance > 0.88) & (distance < 1.2)).all()
    azimuth = np.degrees(np.arctan2(positions[:, 0], -positions[:, 1]))
    assert 35 < np.ptp(azimuth) < 45


def test_whole_folder_is_small() -> None:
    files = [path for path in SAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 4e6


def test_streamseg_reads_it() -> None:
    source = open_source(str(CLIP))
    assert isinstance(source, Recording)
    assert (source.kind, len(source), source.skipped) == ("tum", 24, ())
    frame = next(iter(source))
    assert frame.depth is not None
    np.testing.assert_allclose(frame.depth, depth(0), atol=1e-6)


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The script, run where Mitsuba is not installed."""
    path = str(SAMPLES / "render_tabletop.py")
    code = (
        f"import runpy, sys; sys.modules['mitsuba'] = None; sys.path.insert(0, {str(SAMPLES)!r});"
        f"sys.argv = {[path, *arguments]!r}; runpy.run_path({path!r}, run_name='__main__')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_help_needs_no_renderer() -> None:
    result = script("--help")
    assert result.returncode == 0, result.stderr
    assert all(option in result.stdout for option in ("--frames", "--spp", "--seed", "--overwrite"))


def test_missing_renderer_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    result = script("-o", str(tmp_path / "clip"))
    assert result.returncode == 1
    assert re.search(r'error: .*Mitsuba.*\nhint: pip install "streamseg\[samples\]"', result.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["a file", "a folder"])
def test_other_peoples_files_are_never_replaced(tmp_path: Path, content: str) -> None:
    out = tmp_path / "out"
    keep = out if content == "a file" else out / "keep.txt"
    keep.parent.mkdir(exist_ok=True)
    keep.write_text("mine")
    for more in ([], ["--overwrite"]):
        result = script("-o", str(out), *more)
        assert result.returncode == 1
        assert result.stderr.startswith("error: ")
        assert "Traceback" not in result.stderr
    assert keep.read_text() == "mine"
