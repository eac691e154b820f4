"""Folders of classes: classes, photographs and recordings in them, and no recording on both sides of the split."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.errors import SourceError
from train.probes import labelled


def write(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / f"{name}.png"), np.full((8, 8, 3), 100, np.uint8))


def frames(count: int) -> list[str]:
    return [f"{i:05d}" for i in range(count)]


def read(folder: Path, notes: list[str] | None = None, **options: object) -> labelled.Labelled:
    given = {"frames": 24, "val_share": 0.2, "seed": 0} | options
    return labelled.read(folder, log=(notes if notes is not None else []).append, **given)  # type: ignore[arg-type]


PHOTOS = ["IMG_2", "a cat", "b7", "x", "y", "z", "q1", "q5", "r", "s"]


def test_photographs_are_independent(tmp_path: Path) -> None:
    write(tmp_path / "cat", PHOTOS)
    write(tmp_path / "dog", PHOTOS[:5])
    data = read(tmp_path)
    assert data.classes == ("cat", "dog")
    assert len({item.group for item in data.train + data.val}) == 15
    assert sorted(item.label for item in data.val) == [0, 0, 1]


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.floats(0.05, 0.9), st.integers(0, 9))
def test_no_recording_is_on_both_sides(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], share: float, seed: int
) -> None:
    root = tmp_path_factory.mktemp("data")
    for category in ("bus", "cup"):
        for number, count in enumerate(counts):
            write(root / category / f"seq{number}" / "images", [f"frame{i + 1:06d}" for i in range(count)])
    data = read(root, val_share=share, seed=seed)
    train, val = ({item.group for item in side} for side in (data.train, data.val))
    assert not train & val
    assert len(train | val) == 2 * len(counts)
    assert {item.label for item in data.train} == {item.label for item in data.val} == {0, 1}
    assert [(i.group, i.index) for i in read(root, val_share=share, seed=seed).val] == [
        (i.group, i.index) for i in data.val
    ]


def test_a_single_recording_is_cut_with_a_gap_and_a_note(tmp_path: Path) -> None:
    for name in ("walk", "swim"):
        write(tmp_path / name, frames(20))
    notes: list[str] = []
    data = read(tmp_path, notes)
    for label in (0, 1):
        train = [item.index for item in data.train if item.label == label]
        val = [item.index for item in data.val if item.label == label]
        assert val == [16, 17, 18, 19]
        assert max(train) == 11
    assert notes[0] == "swim: one recording only; its last 4 frames are held out, 4 before them go unused"


def test_long_recordings_are_thinned_evenly(tmp_path: Path) -> None:
    for name in ("walk", "swim"):
        write(tmp_path / name, frames(50))
    data = read(tmp_path, frames=5, val_share=0.2)
    assert [item.index for item in data.train if item.label == 0] == [0, 12, 24]


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 2)):
        for name in ("cat", "dog"):
            write(tmp_path / part / name, PHOTOS[:count])
    data = read(tmp_path)
    assert (len(data.train), len(data.val)) == (8, 4)
    assert data.classes == ("cat", "dog")


def test_bad_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no folder"):
        read(tmp_path / "absent")
    with pytest.raises(SourceError, match="at least two, but has none"):
        read(tmp_path)
    write(tmp_path / "cat", PHOTOS)
    with pytest.raises(SourceError, match="only 'cat'"):
        read(tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(SourceError, match="dog' holds no images"):
        read(tmp_path)
    write(tmp_path / "dog", ["one"])
    with pytest.raises(SourceError, match="'dog' has one recording of 1 frames: too few"):
        read(tmp_path)


def test_broken_images_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path / "cat", PHOTOS)
    write(tmp_path / "dog", PHOTOS)
    (tmp_path / "dog" / "x.png").write_bytes(b"no picture")
    data, notes = read(tmp_path), []
    kept = list(labelled.images(data.train + data.val, notes.append))
    assert len(kept) == 19
    assert notes == ["1 images left out: x (not a readable image)"]


def test_real_recordings_as_classes(shared: Path, tmp_path: Path) -> None:
    for name in ("co3d_hydrant", "multiview_espresso", "davis_car_shadow", "video_bedroom_frames"):
        (tmp_path / name).symlink_to(shared / "data" / name)
    (tmp_path / "film").mkdir()
    for name in ("teddy.mp4", "kitten.mp4"):
        (tmp_path / "film" / name).symlink_to(shared / "data" / "videos" / name)
    data = read(tmp_path, frames=6)
    counts = {name: sum(item.label == i for item in data.train) for i, name in enumerate(data.classes)}
    assert counts == dict.fromkeys(counts, 4) | {"film": 6}
    assert all(item.read().ndim == 3 for item in data.val)
