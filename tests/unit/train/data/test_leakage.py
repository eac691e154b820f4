"""Errors for --val that is also in --data."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

from streamseg.errors import SourceError
from streamseg.sources import Recording, open_source
from train.data.leakage import refuse_overlap


def opened(path: object) -> Recording:
    found = open_source(str(path))
    assert isinstance(found, Recording)
    return found


def test_overlap_is_found_by_path_and_by_content(images: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(images, tmp_path / "copy")
    link = tmp_path / "link"
    link.symlink_to(images)
    for other in (images, link, copy, f"images:{images}"):
        with pytest.raises(SourceError, match="overlaps --data"):
            refuse_overlap([opened(images)], [opened(other)], "--val")


def test_copies_of_a_few_frames_are_found_under_other_names(images: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    for number, name in enumerate(("003.png", "007.png")):
        shutil.copy(images / name, part / f"other{number}.png")
    with pytest.raises(SourceError, match=r"--val-classes .*part' overlaps --data .*copies, such as other"):
        refuse_overlap([opened(images)], [opened(part)], "--val-classes")


def test_other_recordings_with_the_same_names_do_not_overlap(images: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in images.iterdir():
        cv2.imwrite(str(other / path.name), 255 - cv2.imread(str(path)))
    refuse_overlap([opened(images)], [opened(other)], "--val")
