"""Recordings that --data names."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from streamseg.errors import SourceError
from streamseg.sources import Skip
from train.data.recordings import DATA_VARIABLE, open_recordings


def test_a_folder_of_recordings_in_alphabetical_order(images: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("b", "a", "deep/er"):
        shutil.copytree(images, root / name)
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("no recording")
    found = open_recordings([str(root)])
    assert [Path(recording.uri).name for recording in found] == ["a", "b", "er"]
    assert [len(recording) for recording in found] == [12, 12, 12]


def test_a_kind_alone_is_searched(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, empty = tmp_path / "data", tmp_path / "empty"
    empty.mkdir()
    sequence = data / "co3d" / "toy" / "12_34_56"
    shutil.copytree(images, sequence / "images")
    for number, path in enumerate(sorted((sequence / "images").iterdir())):
        path.rename(path.with_name(f"frame{number:06d}.png"))
    monkeypatch.chdir(empty)
    monkeypatch.setenv(DATA_VARIABLE, str(data))
    (found,) = open_recordings(["co3d"])
    assert found.kind == "co3d"
    assert len(found) == 12
    monkeypatch.delenv(DATA_VARIABLE)
    with pytest.raises(SourceError, match="no co3d here") as problem:
        open_recordings(["co3d"])
    assert DATA_VARIABLE in problem.value.hint


def test_a_part_is_taken_of_every_sequence(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    category = tmp_path / "co3d" / "hydrant"
    (source,) = (shared / "data" / "co3d_hydrant" / "hydrant").iterdir()
    category.mkdir(parents=True)
    entries = []
    for name in ("12_34_56", "78_90_12", "99_99_99"):
        (category / name).symlink_to(source)
        images = sorted(path.name for path in (category / name / "images").iterdir())
        entries += [[name, number, f"hydrant/{name}/images/{image}"] for number, image in enumerate(images)]
    (category / "set_lists").mkdir()
    lists = {"train": entries[:14], "val": entries[14:17], "test": []}
    (category / "set_lists" / "set_lists_fewview_train.json").write_text(json.dumps(lists))
    monkeypatch.chdir(tmp_path)
    for name in ("co3d#fewview_train/train", "co3d:co3d#fewview_train/train", f"{category}#fewview_train/train"):
        found = open_recordings([name])
        assert [Path(recording.uri.partition("#")[0]).name for recording in found] == ["12_34_56", "78_90_12"]
        assert [len(recording) for recording in found] == [10, 4]
    assert [len(recording) for recording in open_recordings(["co3d"])] == [10, 10, 10]
    with pytest.raises(SourceError, match="'fewview'") as problem:
        open_recordings(["co3d#fewview"])
    assert "fewview_train/val" in problem.value.hint


def test_sources_that_cannot_be_trained_on_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="absent"):
        open_recordings([str(tmp_path / "absent")])
    (tmp_path / "note.txt").write_text("no recording")
    with pytest.raises(SourceError, match=r"note\.txt"):
        open_recordings([str(tmp_path / "note.txt")])


def test_real_data_sets(shared: Path) -> None:
    names = [str(shared / "data" / name) for name in ("co3d_hydrant", "videos", "tum_fr1_rpy", "multiview_robot")]
    found = open_recordings(names)
    assert [recording.kind for recording in found] == ["co3d", "video", "video", "video", "video", "tum", "images"]


def test_unusable_files_are_named(images: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(images, root / "good")
    (root / "upload.mp4").write_bytes(b"cut")
    (root / "more.zip").write_bytes(b"PK")
    (root / "list").mkdir()
    (root / "list" / "rgb.txt").write_text("1.0 rgb/gone.png\n")
    lost: list[Skip] = []
    assert len(open_recordings([str(root)], lost.append)) == 1
    assert [Path(skip.name).name for skip in lost] == ["list", "more.zip", "upload.mp4"]
    assert all(skip.reason for skip in lost)


def test_archives_in_a_folder_are_opened(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))
    first = sorted(images.iterdir())[0].read_bytes()
    (tmp_path / "archives").mkdir()
    for name in ("a", "b"):
        (tmp_path / name / "rgb").mkdir(parents=True)
        (tmp_path / name / "rgb/1.0.png").write_bytes(first)
        (tmp_path / name / "rgb.txt").write_text("1.0 rgb/1.0.png\n")
        with tarfile.open(tmp_path / f"archives/{name}.tgz", "w:gz") as archive:
            archive.add(tmp_path / name, name)
    assert [recording.kind for recording in open_recordings([str(tmp_path / "archives")])] == ["tum", "tum"]
