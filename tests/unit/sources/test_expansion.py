"""Names of recordings, folders, roots, patterns and lists become recordings."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.sources import expansion, open_source
from tests.unit.sources.layouts import write_bop, write_ocid


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    root = tmp_path / "davis"
    for name in ("bear", "camel", "goat"):
        picture(root / "JPEGImages" / "480p" / name / "00000.jpg")
    sets = root / "ImageSets" / "2017"
    sets.mkdir(parents=True)
    (sets / "val.txt").write_text("goat\nbear\n", encoding="utf-8")
    (root / "ImageSets" / "2016").mkdir()
    line = "/JPEGImages/480p/camel/00000.jpg /Annotations/480p/camel/00000.png\n"
    (root / "ImageSets" / "2016" / "train.txt").write_text(line, encoding="utf-8")
    return root


@pytest.fixture
def co3d(tmp_path: Path) -> Path:
    root = tmp_path / "co3d"
    for sequence in ("apple/1_2_3", "apple/4_5_6", "ball/7_8_9"):
        picture(root / sequence / "images" / "frame000001.jpg")
    lists = root / "apple" / "set_lists"
    lists.mkdir()
    entry = ["4_5_6", 1, "apple/4_5_6/images/frame000001.jpg"]
    (lists / "set_lists_small.json").write_text(json.dumps({"train": [entry], "val": [], "test": []}), encoding="utf-8")
    return root


def names(uris: list[str]) -> list[str]:
    return [Path(uri).name for uri in uris]


def test_a_root_holds_its_sequences(davis: Path, co3d: Path) -> None:
    assert names(expansion.expand([f"davis:{davis}"])) == ["bear", "camel", "goat"]
    assert names(expansion.expand([str(co3d)])) == ["1_2_3", "4_5_6", "7_8_9"]
    assert names(expansion.expand([f"co3d:{co3d}/ball"])) == ["7_8_9"]
    for uri in expansion.expand([f"davis:{davis}", str(co3d)]):
        assert len(open_source(uri)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "bop:"])
@pytest.mark.parametrize("level", [".", "ycbv", "ycbv/test"])
def test_a_bop_root_holds_its_scenes(prefix: str, level: str, tmp_path: Path) -> None:
    scene = write_bop(tmp_path, count=1)
    scene.rename(scene.with_name("000049"))
    write_bop(tmp_path, count=2)
    found = expansion.expand([f"{prefix}{tmp_path / level}"])
    assert names(found) == ["000048", "000049"]
    assert [len(open_source(uri)) for uri in found] == [2, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "ocid:"])
def test_an_ocid_root_holds_its_sequences(prefix: str, tmp_path: Path) -> None:
    write_ocid(tmp_path, "table")
    write_ocid(tmp_path, "floor")
    found = expansion.expand([f"{prefix}{tmp_path}"])
    assert [Path(uri).parts[-3] for uri in found] == ["floor", "table"]
    assert [len(open_source(uri)) for uri in found] == [3, 3]  # type: ignore[arg-type]


def test_set_lists_choose(davis: Path, co3d: Path) -> None:
    assert names(expansion.expand([f"davis:{davis}#2017/val"])) == ["bear", "goat"]
    assert names(expansion.expand([f"davis:{davis}#2016/train"])) == ["camel"]
    (uri,) = expansion.expand([f"co3d:{co3d}#small/train"])
    assert uri.endswith("apple/4_5_6#small/train")
    assert len(open_source(uri)) == 1  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="2017/vla") as caught:
        expansion.expand([f"davis:{davis}#2017/vla"])
    assert "2017/val" in caught.value.hint


def test_folders_patterns_and_lists(tmp_path: Path, davis: Path) -> None:
    for name in ("a", "b", "deep/c"):
        picture(tmp_path / "many" / name / "0.png")
    (tmp_path / "many" / "notes.md").write_text("x", encoding="utf-8")
    assert names(expansion.expand([str(tmp_path / "many")])) == ["a", "b", "c"]
    assert names(expansion.expand([str(tmp_path / "many" / "[ab]")])) == ["a", "b"]
    listing = tmp_path / "some.txt"
    listing.write_text(f"# mine\nmany/b\n\ndavis:{davis}#2017/val\nmany/*\n", encoding="utf-8")
    assert names(expansion.expand([str(listing)])) == ["b", "bear", "goat", "a", "c"]


def test_a_folder_of_videos_holds_each_of_them(tmp_path: Path) -> None:
    for name in ("x.mp4", "y.mp4"):
        (tmp_path / name).write_bytes(b"")
    assert names(expansion.expand([str(tmp_path)])) == ["x.mp4", "y.mp4"]


@pytest.mark.parametrize("name", ["0", "camera:0", "camera:clip.mp4", "realsense:", "realsense:12", "RTSP://host/1"])
def test_a_camera_is_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match=f"{name}' is live") as caught:
        expansion.expand([name])
    assert "record it first" in caught.value.hint


def test_a_folder_may_have_the_number_of_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "0/0.png")
    (tmp_path / "some.txt").write_text("0\n", encoding="utf-8")
    assert names(expansion.expand([str(tmp_path / "some.txt")])) == ["0"]
    monkeypatch.chdir(tmp_path)
    assert names(expansion.expand(["0"])) == ["0"]


def test_the_password_of_a_stream_is_not_shown() -> None:
    with pytest.raises(SourceError) as caught:
        expansion.expand(["rtsp://user:secret@host/1"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent", "no*", "s3://bucket/x"])
def test_what_names_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError):
        expansion.expand([name])


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no recording"):
        expansion.expand([str(tmp_path)])


@pytest.mark.parametrize("loose", ["preview.png", "film.mp4"])
def test_recordings_beside_loose_files_are_found(loose: str, tmp_path: Path, make: Any) -> None:
    make.tum(tmp_path / "desk")
    picture(tmp_path / "thumbs/0.png")
    if loose.endswith("png"):
        picture(tmp_path / loose)
    else:
        make.video(tmp_path / loose)
    assert names(expansion.expand([str(tmp_path)])) == [tmp_path.name, "desk"]


def test_results_of_a_run_are_no_recordings(tmp_path: Path) -> None:
    for name in ("a", "masks/a/objects"):
        picture(tmp_path / name / "0.png")
    (tmp_path / "masks/a/run.json").write_text(json.dumps({"written": []}), encoding="utf-8")
    assert names(expansion.expand([str(tmp_path)])) == ["a"]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_folders_beside_loose_files_are_told_with_what_to_type(count: int, tmp_path: Path) -> None:
    root = tmp_path / "my pictures"
    folders = [root / f"day {i}" if i else root / "deep/day 0" for i in range(count)]
    for path in (root / "preview.png", root / "masks/preview.png", *(folder / "0.png" for folder in folders)):
        picture(path)
    left_out: expansion.LeftOut = {}
    found = expansion.expand([str(root)], left_out)
    assert found == [str(root)]
    ((folder, text),) = expansion.unnamed(left_out, found).items()
    assert folder == str(root)
    assert "masks" not in text.partition("(")[2].partition(")")[0]
    typed = shlex.split(text.partition("too, add ")[2])
    more: expansion.LeftOut = {}
    found = expansion.expand([str(root), *typed], more)
    assert {str(folder) for folder in folders} <= set(found)
    assert expansion.unnamed(more, found) == {}
