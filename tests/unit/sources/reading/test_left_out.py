"""Notes name and count the files in a folder that do not belong to the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamseg.sources import open_source
from streamseg.sources.reading.left_out import notes_on_unused
from tests.unit.sources.layouts import write_stray


def test_each_kind_is_named(tmp_path: Path, make: Any) -> None:
    for name in ("a.mp4", "b.mov", "c.tgz", "d.heic"):
        (tmp_path / name).touch()
    make.rgb(tmp_path / "second/0.png", make.texture(0))
    make.rgb(tmp_path / "masks/0.png", make.texture(0))  # belongs to the recording
    assert notes_on_unused(tmp_path) == [
        "left out: 2 videos (a.mp4, b.mov); give it by itself",
        "left out: 1 archive (c.tgz); unpack it and give it by itself",
        "left out: 1 picture of a format that is not read (d.heic); convert it to PNG",
        "left out: 1 folder with pictures (second); give it by itself",
    ]
    assert len(notes_on_unused(tmp_path, [tmp_path / "c.tgz", tmp_path / "second"])) == 2


def test_depth_of_a_kind_that_is_not_read_is_named(tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "rgb/0.png", make.texture(0))
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth/0.npz").touch()
    notes = open_source(str(tmp_path)).notes
    assert any("1 depth folder (depth); depth is read as" in note for note in notes), notes


def test_a_source_says_so(tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "0.png", make.texture(0))
    (tmp_path / "film.mp4").touch()
    assert any("film.mp4" in note for note in open_source(str(tmp_path)).notes)


def test_depth_beside_the_pictures_is_named(tmp_path: Path, make: Any) -> None:
    folder = make.tum(tmp_path / "tum")
    assert f"give the folder of the recording, {folder}" in str(open_source(str(folder / "rgb")).notes)
    make.images(tmp_path / "plain/rgb")
    assert not open_source(str(tmp_path / "plain/rgb")).notes


def test_depth_beside_a_video_is_named(tmp_path: Path) -> None:
    folder = write_stray(tmp_path / "scan")
    assert f"give the folder of the recording, {folder}" in str(open_source(str(folder / "rgb.mp4")).notes)
