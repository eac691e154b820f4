from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamseg.features.extractor import FeatureFrame
from streamseg.frame import Frame
from streamseg.runtime.opening import AGAIN, Opening, shows_something

RANDOM = np.random.default_rng(0)


def seen(index: int, content: bool, is_key: bool = True) -> FeatureFrame:
    rgb = RANDOM.integers(0, 12, (48, 64, 3), dtype=np.uint8)  # the noise of a sensor
    if content:
        rgb[10:30, 10:40] = 200
    features: Any = np.zeros((2, 3, 4), np.float32)
    return FeatureFrame(Frame(index, str(index), 0.0, rgb), features, None, None, {}, is_key)


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_one_shade_shows_nothing(shade: int) -> None:
    noise = RANDOM.integers(-6, 7, (240, 320, 3))
    assert not shows_something(np.clip(shade + noise, 0, 255).astype(np.uint8))


def test_a_session_starts_on_the_frames_that_show_something() -> None:
    frames = [seen(i, i > 4) for i in range(8)]
    opening = Opening()
    assert opening.begin(frames) == frames[5:]
    assert not any(opening.again(seen(i, True)) for i in range(20))


def test_after_a_start_on_nothing_it_starts_again_as_soon_as_there_is_something() -> None:
    opening = Opening()
    black = [seen(i, False) for i in range(8)]
    assert opening.begin(black) == black
    assert opening.again(seen(8, False)) == []
    started = [len(opening.again(seen(i, True, is_key=i % 2 == 0))) for i in range(10, 40)]
    assert [n for n in started if n] == list(AGAIN)
    assert started[0] == 1


def test_a_session_that_shows_nothing_at_all_goes_on_as_it_started() -> None:
    opening = Opening()
    assert not any(opening.again(seen(i, False)) for i in range(50))
