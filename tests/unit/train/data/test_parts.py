"""Parts of recordings."""

from __future__ import annotations

from pathlib import Path

from streamseg.sources import Recording, open_source
from train.data.parts import Part, middle


def opened(path: object) -> Recording:
    found = open_source(str(path))
    assert isinstance(found, Recording)
    return found


def test_a_part_counts_from_zero_and_keeps_names(images: Path) -> None:
    whole = opened(images)
    part = Part(whole, range(4, 8))
    assert [part.name_of(i) for i in range(len(part))] == ["004", "005", "006", "007"]
    assert part[1].index == 1
    assert (part[1].rgb == whole[5].rgb).all()


def test_the_middle_of_a_recording_is_a_part_of_it(images: Path) -> None:
    whole = opened(images)
    count = len(whole)
    part, longer = middle(whole, 4), middle(whole, count + 1)
    assert [part.name_of(i) for i in range(len(part))] == [whole.name_of(count // 2 - 2 + i) for i in range(4)]
    assert len(longer) == count
