"""An animated GIF is a video whatever its delays are, and plays as in browsers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from streamseg.sources import open_source
from streamseg.sources.reading.video.gif import with_delays


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(7)
    return [Image.fromarray(rng.integers(0, 255, (24, 32), np.uint8)).convert("P") for _ in range(count)]


def animation(count: int, **options: object) -> bytes:
    """Without a duration, Pillow writes no control blocks."""
    file = io.BytesIO()
    first, *others = pictures(count)
    first.save(file, "GIF", save_all=True, append_images=others, **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(
    ("options", "step"),
    [({}, 0.1), ({"duration": 0}, 0.1), ({"duration": 10}, 0.1), ({"duration": 20}, 0.02), ({"duration": 50}, 0.05),
     ({"loop": 0}, 0.1), ({"duration": 0, "loop": 0}, 0.1)],
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_picture_is_a_frame_at_the_pace_of_browsers(
    options: dict[str, int], step: float, count: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(animation(count, **options))
    with Image.open(path) as image:
        expected = [np.asarray(page.convert("RGB")) for page in ImageSequence.Iterator(image)]
    with open_source(str(path)) as source:
        assert source.kind == "video"
        assert (len(source), source.skipped, source.notes) == (count, (), ())  # type: ignore[arg-type]
        assert [source[i].timestamp for i in range(count)] == pytest.approx([step * i for i in range(count)])  # type: ignore[index]
        for i in (count - 1, *range(count)):  # at random, and in order
            np.testing.assert_array_equal(source[i].rgb, expected[i])  # type: ignore[index]
        assert count == 1 or source.fps == pytest.approx(1 / step)


def test_only_delays_change() -> None:
    usual = animation(3, duration=50)
    assert with_delays(usual) is usual
    assert with_delays(b"RIFF....AVI ") == b"RIFF....AVI "
    once = with_delays(animation(3))
    assert with_delays(once) is once


@pytest.mark.parametrize("options", [{}, {"duration": 0}])
def test_a_cut_file_keeps_its_pictures(options: dict[str, int], tmp_path: Path) -> None:
    data = animation(6, **options)
    for length in (*range(len(data) // 2, len(data), 97), 5, 13, 20):
        with_delays(data[:length])
    path = tmp_path / "cut.gif"
    path.write_bytes(data[: len(data) * 2 // 3])
    with open_source(str(path)) as source:
        assert len(source) in (3, 4)  # type: ignore[arg-type]
