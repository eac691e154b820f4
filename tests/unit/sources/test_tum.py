"""TUM RGB-D recordings: lists, pairs and archives."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Skip, open_source
from streamseg.sources.tum import open as open_tum


def pack(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    return archive


def test_frames_and_depth(tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.tum(tmp_path / "desk")))
    assert (source.kind, len(source), source.skipped) == ("tum", 4, ())
    for i in range(4):
        frame = source[i]
        assert frame.name == f"{100 + i / 30:.6f}"
        assert frame.timestamp == pytest.approx(100 + i / 30, abs=1e-6)
        assert np.array_equal(frame.rgb, make.texture(i))
        expected = np.full(make.size, 1 + 0.1 * i)
        expected[0, 0] = 0
        np.testing.assert_allclose(frame.depth, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "fx"),
    [("rgbd_dataset_freiburg1_xyz", 517.3), ("freiburg2_desk", 520.9), ("fr3_office", 535.4), ("office", None)],
)
def test_intrinsics_come_from_the_name_of_the_folder_or_a_parent(
    name: str, fx: float | None, tmp_path: Path, make: Any
) -> None:
    for folder in (tmp_path / name, tmp_path / name / "inner"):
        intrinsics = open_tum(str(make.tum(folder)), Options())[0].intrinsics
        # the published intrinsics are for a width of 640
        assert intrinsics is None if fx is None else intrinsics.fx == pytest.approx(fx * make.texture(0).shape[1] / 640)


def test_options_override_the_recording(tmp_path: Path, make: Any) -> None:
    camera = Intrinsics(1, 2, 3, 4)
    frame = open_tum(str(make.tum(tmp_path)), Options(camera, depth_scale=1000.0))[0]
    assert frame.intrinsics == camera
    assert frame.depth is not None
    assert frame.depth[5, 5] == pytest.approx(5.0)


def test_listed_but_absent_files_are_skipped_and_counted(tmp_path: Path, make: Any) -> None:
    make.tum(tmp_path)
    (tmp_path / "rgb/100.033333.png").unlink()
    (tmp_path / "depth/100.010000.png").unlink()
    with (tmp_path / "rgb.txt").open("a") as file:
        file.write("not-a-number rgb/x.png\n200.0\n100.0 rgb/100.000000.png\n")
    source = open_tum(str(tmp_path), Options())
    assert len(source) == 3
    assert set(source.skipped) == {
        Skip("100.033333", "missing file"),
        Skip("100.010000", "missing depth file"),
        Skip("rgb.txt:6", "malformed line in the list"),
        Skip("rgb.txt:7", "malformed line in the list"),
        Skip("100.000000", "listed twice"),
    }
    first = source[0]
    assert first.depth is None
    assert first.depth_problem == "no depth frame within 0.02 s"


def test_without_depth_and_without_lists(tmp_path: Path, make: Any) -> None:
    make.tum(tmp_path)
    (tmp_path / "depth.txt").unlink()
    assert open_source(str(tmp_path))[1].depth is not None  # the names of the files are time stamps, too
    (tmp_path / "rgb.txt").unlink()
    source = open_source(str(tmp_path))
    assert (source.kind, len(source)) == ("tum", 4)
    assert source[1].depth is not None
    for path in (tmp_path / "depth").iterdir():
        path.unlink()
    frame = open_source(str(tmp_path))[0]
    assert (frame.depth, frame.depth_problem) == (None, "recording has no depth")


def test_broken_files_are_frame_errors(tmp_path: Path, make: Any, cut: Callable[[Path, float], None]) -> None:
    make.tum(tmp_path)
    cut(tmp_path / "rgb/100.000000.png", 0.6)
    cut(tmp_path / "depth/100.043333.png", 0.6)
    source = open_tum(str(tmp_path), Options())
    with pytest.raises(FrameError, match="truncated PNG"):
        source[0]
    frame = source[1]
    assert (frame.depth, frame.depth_problem) == (None, "truncated PNG")


def test_archive_is_unpacked_once(tmp_path: Path, make: Any, cache: Path) -> None:
    folder = make.tum(tmp_path / "rgbd_dataset_freiburg3_box")
    archive = pack(folder, tmp_path / "box.tgz")
    source = open_source(str(archive))
    assert (source.kind, len(source)) == ("tum", 4)
    assert source[2].intrinsics.fx == pytest.approx(535.4 * make.texture(0).shape[1] / 640)
    assert np.array_equal(source[2].rgb, make.texture(2))
    (unpacked,) = (cache / "recordings").iterdir()
    before = {path: path.stat().st_mtime_ns for path in unpacked.rglob("*")}
    assert len(open_source(str(archive))) == 4
    assert {path: path.stat().st_mtime_ns for path in unpacked.rglob("*")} == before
    assert list((cache / "recordings").iterdir()) == [unpacked]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_truncated_archive_leaves_nothing_behind(
    share: float, tmp_path: Path, make: Any, cache: Path, cut: Callable[[Path, float], None]
) -> None:
    archive = pack(make.tum(tmp_path / "desk"), tmp_path / "desk.tar.gz")
    cut(archive, share)
    with pytest.raises(SourceError, match="truncated or damaged"):
        open_source(str(archive))
    assert list((cache / "recordings").iterdir()) == []


def test_a_text_file_called_tgz(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.tgz").write_text("no archive")
    with pytest.raises(SourceError, match="truncated or damaged"):
        open_source(str(tmp_path / "a.tgz"))
    assert list((cache / "recordings").iterdir()) == []


@pytest.mark.parametrize("evil", ["../escaped.txt", "link"])
def test_archive_that_escapes_is_refused(evil: str, tmp_path: Path, cache: Path) -> None:
    with tarfile.open(tmp_path / "evil.tgz", "w:gz") as tar:
        if evil == "link":
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc"
            tar.addfile(member)
        else:
            member = tarfile.TarInfo(evil)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(SourceError, match="not safe"):
        open_source(str(tmp_path / "evil.tgz"))
    assert list((cache / "recordings").iterdir()) == []
    assert not list(tmp_path.rglob("escaped.txt"))


def test_archive_without_a_recording(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.txt").write_text("text")
    with pytest.raises(SourceError, match="no TUM recording"):
        open_source(str(pack(tmp_path / "docs", tmp_path / "docs.tgz")))


def test_cache_that_cannot_be_written(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(make.tum(tmp_path / "desk"), tmp_path / "desk.tgz")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "file"))
    with pytest.raises(SourceError, match="cannot be unpacked") as caught:
        open_source(str(archive))
    assert "STREAMSEG_CACHE" in caught.value.hint


def test_real_recording_pairs_like_its_own_associations(shared: Path) -> None:
    folder = shared / "data/tum_fr1_rpy/rgbd_dataset_freiburg1_rpy"
    source = open_source(str(folder))
    assert len(source) == 40
    shipped = [line.split() for line in (folder / "associations.txt").read_text().splitlines()]
    depth_of = {os.path.basename(rgb)[:-4]: depth for _, rgb, _, depth in shipped}
    for i in range(40):
        frame = source[i]
        assert (frame.name in depth_of) == (frame.load_depth is not None)
        if frame.load_depth is not None:
            assert str(frame.load_depth.args[0]).endswith(depth_of[frame.name])  # type: ignore[attr-defined]


def test_real_lists_that_name_other_folders(shared: Path) -> None:
    source = open_source(str(shared / "data/tum_fr3_cabinet_keyframes"))
    assert len(source) == 58
    assert all(source[i].depth is not None for i in (0, 30, 57))
    assert source[0].intrinsics == Intrinsics(535.4, 539.2, 320.1, 247.6)


def test_masks_beside_a_recording_are_its_truth(tmp_path: Path, make: Any) -> None:
    folder = make.tum(tmp_path / "recording")
    first = sorted((folder / "rgb").iterdir())[0]
    truth = np.zeros(make.size, np.uint8)
    truth[:3, :5] = 2
    (folder / "masks").mkdir()
    image = Image.fromarray(truth, mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(folder / "masks" / f"{first.stem}.png")
    recording = open_source(str(folder))
    assert np.array_equal(recording[0].annotation, truth)
    assert recording[1].annotation is None
