"""DAVIS-2016 against TrackEval's J and F, given the frames that count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from streamseg.evaluation.protocols import open_protocol
from streamseg.frame import VOID
from tests.unit.evaluation.clips import Clip, clips
from tests.unit.evaluation.protocols.oracle import davis_of_trackeval


@given(clips([0, 1, 4], [0, 0, 1, 2, VOID], most=9))
@settings(max_examples=25, deadline=None)
def test_the_foreground_as_one_object(clip: Clip) -> None:
    ours = open_protocol("davis16")
    for found, true in zip(*clip, strict=True):
        ours.add(found, true, {})
    counted = [(np.where(t == VOID, 0, f) > 0, (t > 0) & (t != VOID)) for f, t in zip(*clip, strict=True)][1:-1]
    if any(t.any() for _, t in counted):  # there, an object is one that is seen
        theirs = davis_of_trackeval([f.astype(np.uint8) for f, _ in counted], [t.astype(np.uint8) for _, t in counted])
        assert list(ours.figures().values()) == pytest.approx(theirs[1:])
    assert ours.weight == 1


def test_first_and_last_frame_do_not_count() -> None:
    full, empty = np.ones((9, 9), np.uint8), np.zeros((9, 9), np.uint8)
    ours = open_protocol("davis16")
    for found in (empty, full, full, full, empty):
        ours.add(found, full, {})
    assert ours.figures()["davis16_j_mean"] == ours.figures()["davis16_j_recall"] == 1
    short = open_protocol("davis16")
    short.add(full, full, {})
    short.add(full, full, {})
    assert set(short.figures().values()) == {None}


def test_what_gets_worse_decays() -> None:
    truth = np.ones((10, 10), np.uint8)
    ours = open_protocol("davis16")
    for rows in (10, 10, 10, 10, 8, 6, 4, 4, 4, 4):
        found = np.zeros_like(truth)
        found[:rows] = 3
        ours.add(found, truth, {})
    figures = ours.figures()
    assert figures["davis16_j_decay"] == pytest.approx(1 - 0.4)  # 1 1 1 . . . .4 .4: quarters of 3 and 3 frames
    assert figures["davis16_j_recall"] == pytest.approx(5 / 8)
