"""The size of a batch: as it is given, or as many pairs as the frames and the devices allow."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import SourceError, StreamsegError
from train.data.batches import open_data
from train.settings import Settings


def images(folder: Path, count: int) -> str:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:03}.png"), np.full((8, 8, 3), number, np.uint8))
    return str(folder)


@pytest.mark.parametrize(
    ("frames", "devices", "accumulate", "expected"),
    [(40, 1, 1, 16), (7, 1, 1, 7), (40, 3, 1, 15), (7, 2, 1, 6), (40, 1, 4, 10), (40, 20, 1, 20)],
)
def test_auto_fits_the_data_and_the_devices(
    tmp_path: Path, frames: int, devices: int, accumulate: int, expected: int
) -> None:
    with ExitStack() as stack:
        data = open_data(Settings(data=(images(tmp_path / "a", frames),), accumulate=accumulate), stack, devices)
        assert data.batch_size == expected
        assert data.steps == 10 * (frames // (expected * accumulate))


def test_a_given_size_stays(tmp_path: Path) -> None:
    source = images(tmp_path / "a", 7)
    with ExitStack() as stack:
        assert open_data(Settings(data=(source,), batch_size=5), stack).batch_size == 5
        with pytest.raises(StreamsegError, match="a batch of 8 is larger than the data, which has 7 frames") as refusal:
            open_data(Settings(data=(source,), batch_size=8), stack)
        assert "--batch-size 7" in refusal.value.hint
        with pytest.raises(StreamsegError, match="a batch of 9"):  # one pair for each device
            open_data(Settings(data=(source,)), stack, devices=9)


def test_one_frame_is_not_answered_with_a_smaller_batch(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(SourceError, match="at least two frames"):
        open_data(Settings(data=(images(tmp_path / "a", 1),), batch_size=2), stack)
