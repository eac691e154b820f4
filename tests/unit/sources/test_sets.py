"""Published data sets in their layouts, what is known by their names, and folders of a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.frame import Intrinsics
from streamseg.sources import Recording, open_source
from tests.unit.sources.layouts import HALF, SIZE, enlarged, ramp, save


def recording(path: Path) -> Recording:
    source = open_source(str(path))
    assert isinstance(source, Recording)
    return source


def camera(found: Intrinsics | None) -> Any:
    """Return the published intrinsics, for 640x480, scaled to the images here, which have a tenth of it."""
    assert found is not None
    return pytest.approx((found.fx * 10, found.fy * 10, found.cx * 10 + 4.5, found.cy * 10 + 4.5), abs=1e-6)


def test_bonn_has_tums_layout_and_its_own_camera(tmp_path: Path, make: Any) -> None:
    source = recording(make.tum(tmp_path / "rgbd_bonn_balloon"))
    assert (source.kind, len(source), source.depth_scale) == ("tum", 4, 5000)
    frame = source[2]
    assert np.array_equal(frame.rgb, make.texture(2))
    assert frame.depth is not None
    assert (frame.depth[0, 0], frame.depth[5, 5]) == (0, pytest.approx(1.2))
    assert camera(frame.intrinsics) == (542.822841, 542.576870, 315.593520, 237.756098)


@pytest.mark.parametrize("line", ["{0} depth/{0}.png {0} rgb/{0}.png", "{0} rgb/{0}.png {0} depth/{0}.png"])
def test_icl_nuim_has_a_list_of_pairs_alone(line: str, tmp_path: Path, make: Any) -> None:
    folder = tmp_path / "living_room_traj2_frei_png"
    for i in range(12):
        make.rgb(folder / f"rgb/{i}.png", make.texture(i))
        make.depth(folder / f"depth/{i}.png", np.full(SIZE, 5000 + 500 * i))
    (folder / "associations.txt").write_text("\n".join(line.format(i) for i in range(12)))
    source = recording(folder)
    assert (source.kind, len(source), source.depth_scale, source.fps) == ("tum", 12, 5000, 30)
    for i in (11, 2, 10):  # numbers are sorted by value, not as text
        frame = source[i]
        assert np.array_equal(frame.rgb, make.texture(i))
        assert frame.depth is not None
        assert np.unique(frame.depth).tolist() == pytest.approx([1 + 0.1 * i])
    assert camera(source[0].intrinsics) == (481.2, 480.0, 319.5, 239.5)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("size", [SIZE, HALF])
@pytest.mark.parametrize("names", ["{:06d}", "{}", "frame_{:03d}"])
def test_plain_rgbd_folders_are_read(names: str, size: tuple[int, int], suffix: str, tmp_path: Path) -> None:
    """There are rgb/, depth/, masks/ and intrinsics.txt; depth is in millimetres, perhaps smaller than the colour."""
    for i in range(3):
        save(tmp_path / f"rgb/{names.format(9 + i)}.{suffix}", np.full((*SIZE, 3), (40, 80 * i, 30), np.uint8))
        save(tmp_path / f"depth/{names.format(9 + i)}.png", ramp(i, size))
        ids = np.zeros(SIZE, np.uint8)
        ids[4:9, 4:20], ids[20:30, 30:40] = 1, 7
        save(tmp_path / f"masks/{names.format(9 + i)}.png", ids)
    (tmp_path / "intrinsics.txt").write_text("60 61 31.5 23.5\n")
    source = recording(tmp_path)
    assert (len(source), source.skipped, source.depth_scale) == (3, (), 1000)
    for i in range(3):
        frame = source[i]
        assert frame.rgb[0, 0] == pytest.approx((40, 80 * i, 30), abs=3)
        np.testing.assert_allclose(frame.depth, enlarged(ramp(i, size)) / 1000, rtol=1e-5)
        assert frame.intrinsics == Intrinsics(60, 61, 31.5, 23.5)
        assert frame.annotation is not None
        assert np.unique(frame.annotation).tolist() == [0, 1, 7]
    assert any("depth is 32x24, pictures are 64x48" in note for note in source.notes) == (size == HALF)


def test_plain_folders_do_without_masks_and_intrinsics(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / f"rgb/{i}.png", np.full((*SIZE, 3), 60 * i, np.uint8))
        save(tmp_path / f"depth/{i}.png", ramp(i, SIZE))
    source = recording(tmp_path)
    assert (source[0].annotation, source[0].intrinsics) == (None, None)
    assert any("intrinsics are unknown" in note for note in source.notes)
    assert any("1000 units per metre (assumed" in note for note in source.notes)
