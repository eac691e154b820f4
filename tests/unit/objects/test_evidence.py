"""A cue weighs what it was seen to tell apart: everything, half, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.objects.evidence import MOST, CueEvidence

SHAPE = (24, 32)


def found(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A score, sure in boxes of (top, left, bottom, right) cells and sure of the background elsewhere."""
    score = np.full(SHAPE, -1, np.float32)
    for top, left, bottom, right in boxes:
        score[top:bottom, left:right] = 1
    return score


def moved(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    return np.maximum(found(*boxes), 0)


ONE, OTHER = (6, 4, 14, 10), (8, 18, 16, 26)
RESTING, MOVING = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)


def test_where_what_was_found_moves_what_rests_is_doubted() -> None:
    evidence = CueEvidence()
    for _ in range(10):
        evidence.learn(found(ONE), moved(ONE))
    assert evidence(RESTING)[0, 0] == -MOST
    assert 1 < evidence(MOVING)[0, 0] <= MOST


def test_a_static_scene_doubts_nothing() -> None:
    evidence = CueEvidence()
    for _ in range(10):
        evidence.learn(found(ONE, OTHER), moved())
    assert evidence(RESTING)[0, 0] == pytest.approx(0, abs=0.05)


def test_where_one_of_two_moves_the_other_is_doubted_less() -> None:
    both, one = CueEvidence(), CueEvidence()
    for _ in range(10):
        both.learn(found(ONE, OTHER), moved(ONE, OTHER))
        one.learn(found(ONE, OTHER), moved(ONE))
    assert both(RESTING)[0, 0] < one(RESTING)[0, 0] < 0


def test_flicker_all_over_the_frame_tells_nothing() -> None:
    random = np.random.default_rng(0)
    evidence = CueEvidence()
    for _ in range(10):
        evidence.learn(found(ONE), random.random(SHAPE).astype(np.float32))
    assert np.all(evidence(np.linspace(0, 1, 9, dtype=np.float32)[None]) > -0.5)


def test_it_follows_when_a_thing_comes_to_rest() -> None:
    evidence = CueEvidence()
    for _ in range(20):
        evidence.learn(found(ONE), moved(ONE))
    before = evidence(RESTING)[0, 0]
    for _ in range(200):
        evidence.learn(found(ONE), moved())
    assert before < 5 * evidence(RESTING)[0, 0]


def test_nothing_learnt_or_nothing_to_compare_is_no_evidence() -> None:
    evidence = CueEvidence()
    assert not evidence(MOVING).any()
    evidence.learn(np.ones(SHAPE, np.float32), np.ones(SHAPE, np.float32))  # no background
    evidence.learn(-np.ones(SHAPE, np.float32), np.ones(SHAPE, np.float32))  # no object
    assert not evidence(RESTING).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.01))
def test_a_small_change_of_the_cue_changes_little(seed: int, change: float) -> None:
    random = np.random.default_rng(seed)
    evidence = CueEvidence()
    evidence.learn(found(ONE), random.random(SHAPE).astype(np.float32) * moved(ONE))
    cue = random.random(SHAPE).astype(np.float32)
    there, near = evidence(cue), evidence(np.clip(cue + np.float32(change), 0, 1))
    assert np.abs(there).max() <= MOST
    assert np.abs(there - near).max() <= 0.6  # a fifth of the widest step between bins, at a twelfth of its width
