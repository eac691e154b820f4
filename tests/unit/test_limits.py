"""Python and the command line refuse the same values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from streamseg import limits
from streamseg.config import RunConfig, SegmenterConfig
from streamseg.errors import StreamsegError
from streamseg.runtime.library import segment


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("min_score", math.nan, "give a number from 0 to 1"),
        ("min_score", 2, "give a number from 0 to 1"),
        ("min_score", -1, "give a number from 0 to 1"),
        ("min_score", "a", "give a number from 0 to 1"),
        ("position", math.inf, "give a number from 0 on"),
        ("k", -3, "give a whole number from 0 to 254"),
        ("k", 2.5, "give a whole number from 0 to 254"),
        ("keyframes", 1001, "give a whole number from 0 to 1000"),
        ("quality", "hihg", "did you mean 'high'? known: high, live"),
        ("quality", None, "known: high, live"),
        ("clustering", "x", "known: online, per-frame"),
        ("scene_cuts", "", "known: ignore, restart"),
        ("labels_on", "gpu", "known: auto, device, host"),
        ("size", 0, "give N (shorter side) or (H, W), each 16 to 8192"),
        ("size", (96, "a"), "give N (shorter side) or (H, W), each 16 to 8192"),
        ("k_range", (10, 2), "give (LOW, HIGH) within 1 ... 64"),
        ("edges", "no", "give True or False"),
        ("objects", "no", "give True or False"),
        ("k_range", 5, "give (LOW, HIGH) within 1 ... 64"),
    ],
)
def test_impossible_values_are_refused_with_the_possible_ones(name: str, value: Any, hint: str) -> None:
    with pytest.raises(StreamsegError, match=f"{name} is ") as caught:
        SegmenterConfig().but(**{name: value})
    assert caught.value.hint == hint


@pytest.mark.parametrize("most", [0, -5, math.nan, math.inf])
def test_a_latency_that_is_impossible(most: float) -> None:
    with pytest.raises(StreamsegError, match="max_latency is ") as caught:
        RunConfig("clip.mp4", max_latency=most)
    assert caught.value.hint == "give a number from 1 on"
    with pytest.raises(StreamsegError, match="max_latency is "):
        next(segment("clip.mp4", max_latency=most))


def test_numbers_of_numpy_and_the_ends_of_a_range_are_accepted() -> None:
    config = SegmenterConfig().but(k=np.int64(254), min_score=np.float32(1), size=(16, 8192), k_range=(1, 64))
    assert config.clustering.k == 254
    assert RunConfig("clip.mp4", max_frames=None).every == 1


def test_the_command_line_has_the_same_limits() -> None:
    from streamseg.cli.parameters import Auto
    from streamseg.cli.run import run

    flags = {str(one.name): one.type for one in run.params}
    for name, choices in limits.CHOICES.items():
        assert tuple(flags[name].choices) == choices  # type: ignore[attr-defined]
    for name, (low, high) in (limits.WHOLE | limits.REAL).items():
        kind: Any = flags.get(name)
        if isinstance(kind, Auto):
            assert (kind.numbers.min, kind.numbers.max) == (low + 1, high)  # type: ignore[attr-defined]
        elif kind is not None:
            assert (kind.min, math.inf if kind.max is None else kind.max) == (low, high), name
