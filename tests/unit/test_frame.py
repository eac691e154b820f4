from __future__ import annotations

import numpy as np

from streamseg.errors import FrameError
from streamseg.frame import Frame

RGB = np.zeros((4, 6, 3), np.uint8)


def test_depth_is_decoded_once_and_only_when_looked_at() -> None:
    calls = []

    def load() -> np.ndarray:
        calls.append(1)
        return np.ones((4, 6), np.float32)

    frame = Frame(0, "0", 0.0, RGB, load_depth=load)
    assert not calls
    assert frame.depth is frame.depth
    assert len(calls) == 1
    assert frame.depth_problem == ""


def test_unreadable_depth_is_none_and_says_why() -> None:
    def load() -> np.ndarray:
        raise FrameError("truncated PNG")

    frame = Frame(0, "0", 0.0, RGB, load_depth=load)
    assert frame.depth is None
    assert frame.depth_problem == "truncated PNG"


def test_depth_of_another_size_is_not_used() -> None:
    frame = Frame(0, "0", 0.0, RGB, load_depth=lambda: np.ones((5, 6), np.float32))
    assert frame.depth is None
    assert "(5, 6)" in frame.depth_problem


def test_a_frame_without_depth_or_truth() -> None:
    frame = Frame(0, "0", 0.0, RGB)
    assert frame.depth is frame.annotation is None
