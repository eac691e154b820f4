"""Scores: in [0, 1], higher for what stands out, steady over frames; what is below --min-score is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.depth.support import SupportPlane
from streamseg.objects.scores import FRAMES, SURE, Cues, ObjectScores, score

SHAPE, CELLS = (240, 320), (15, 20)


def ids_of(**boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Ids by name, o1=(top, bottom, left, right)."""
    ids = np.zeros(SHAPE, np.uint8)
    for name, (top, bottom, left, right) in boxes.items():
        ids[top:bottom, left:right] = int(name[1:])
    return ids


def see(
    scores: ObjectScores,
    ids: np.ndarray,
    unlike: np.ndarray,
    support: SupportPlane | None = None,
    moving: np.ndarray | None = None,
) -> None:
    """A frame of even objectness."""
    scores.see(ids, 2 * unlike, np.full(CELLS, 2, np.float32), unlike, support, moving)


def cells(ids: np.ndarray, values: dict[int, float], elsewhere: float) -> np.ndarray:
    """(15, 20) float32 with a value for each id."""
    table = np.full(256, elsewhere, np.float32)
    table[list(values)] = list(values.values())
    found: np.ndarray = table[ids[8::16, 8::16]]
    return found


def plane(above: np.ndarray) -> SupportPlane:
    nothing = np.zeros(above.shape, bool)
    depth = np.ones(above.shape, np.float32)
    return SupportPlane(nothing, above, nothing, nothing, np.zeros((*above.shape, 3), np.float32), depth, 0.01)


TWO = ids_of(o1=(32, 96, 32, 112), o7=(128, 224, 160, 288))


def test_what_has_left_the_frame_has_no_score() -> None:
    scores = ObjectScores()
    see(scores, TWO, cells(TWO, {1: 0.8, 7: 0.3}, 0.05))
    before = scores.latest
    scores.on_propagated(ids_of(o7=(128, 224, 160, 288)))
    assert scores.latest == {7: before[7]}


def test_what_stands_out_scores_higher() -> None:
    scores = ObjectScores()
    see(scores, TWO, cells(TWO, {1: 0.8, 7: 0.3}, 0.05))
    assert set(scores.latest) == {1, 7}
    assert 0 < scores.latest[7] < scores.latest[1] < 1
    assert scores.cues[1].contrast == pytest.approx(0.7, abs=0.15)
    assert scores.cues[1].unlike == pytest.approx(0.8, abs=0.1)
    assert scores.cues[1].peak == pytest.approx(np.log(0.8), abs=0.01)
    assert scores.cues[1].raised == 0


def test_what_is_stronger_than_the_median_has_a_higher_peak() -> None:
    scores = ObjectScores()
    objectness = cells(TWO, {1: 6.0, 7: 3.0}, 2.0)
    scores.see(TWO, objectness, objectness, np.zeros(CELLS, np.float32), None)
    assert scores.cues[1].peak == pytest.approx(np.log(3), abs=0.05)
    assert scores.cues[7].peak == pytest.approx(np.log(1.5), abs=0.05)
    assert scores.cues[1].unlike == pytest.approx(1)


def test_depth_speaks_for_what_rises_above_its_support() -> None:
    scores = ObjectScores()
    see(scores, TWO, cells(TWO, {}, 0.5), plane(TWO[::2, ::2] == 7))
    assert scores.cues[7].raised > 0.9 > 0.1 > scores.cues[1].raised
    assert scores.latest[7] > scores.latest[1] + 0.2


def test_one_odd_frame_does_not_turn_a_score() -> None:
    scores = ObjectScores()
    strong, weak = cells(TWO, {1: 0.5}, 0.05), cells(TWO, {1: 0.05}, 0.05)
    for _ in range(FRAMES):
        see(scores, TWO, strong)
    before = scores.cues[1].unlike
    see(scores, TWO, weak)
    assert before - 0.1 < scores.cues[1].unlike < before
    for _ in range(8 * FRAMES):
        see(scores, TWO, weak)
    assert scores.cues[1].unlike == pytest.approx(0.05, abs=0.02)


def test_what_is_thinner_than_the_steps_has_a_score_too() -> None:
    ids = ids_of(o3=(101, 102, 0, 320))
    scores = ObjectScores()
    see(scores, ids, cells(ids, {}, 0.1))
    assert set(scores.latest) == {3}


def test_nothing_is_strong_in_a_blank_frame() -> None:
    scores = ObjectScores()
    nothing = np.zeros(CELLS, np.float32)
    scores.see(TWO, nothing, nothing, nothing, None)
    assert all(0 <= value < 0.2 for value in scores.latest.values())


def test_low_scores_are_left_out_of_mask_and_scores() -> None:
    scores = ObjectScores()
    see(scores, TWO, cells(TWO, {1: 0.9, 7: 0.01}, 0.05))
    assert np.array_equal(scores.kept(TWO, 0.0), TWO)
    between = sum(scores.latest.values()) / 2
    assert np.array_equal(scores.kept(TWO, between), np.where(TWO == 1, 1, 0))
    assert set(scores.latest) == {1}


def test_what_was_surely_an_object_stays_when_its_score_falls() -> None:
    strong, weak = cells(TWO, {1: 0.9, 7: 0.5}, 0.05), cells(TWO, {1: 0.01, 7: 0.01}, 0.05)
    scores = ObjectScores()
    see(scores, TWO, strong)
    sure, likely = scores.latest[1], scores.latest[7]
    assert likely < SURE < sure
    scores.kept(TWO, likely / 2)
    for _ in range(5 * FRAMES):
        see(scores, TWO, weak)
    assert max(scores.latest.values()) < likely / 2
    assert np.array_equal(scores.kept(TWO, likely / 2), np.where(TWO == 1, 1, 0))
    assert set(scores.latest) == {1}


def test_what_never_reached_a_higher_least_score_does_not_stay() -> None:
    scores = ObjectScores()
    see(scores, TWO, cells(TWO, {1: 0.9, 7: 0.5}, 0.05))
    above = (1 + scores.latest[1]) / 2
    assert not scores.kept(TWO, above).any()
    see(scores, TWO, cells(TWO, {1: 0.01, 7: 0.01}, 0.05))
    assert not scores.kept(TWO, above).any()


def test_an_id_that_is_used_again_starts_anew() -> None:
    scores, alone = ObjectScores(), ObjectScores()
    see(scores, TWO, cells(TWO, {1: 0.9, 7: 0.9}, 0.05))
    scores.kept(TWO, 0.25)
    scores.forget([1])
    for one in (scores, alone):
        see(one, TWO, cells(TWO, {1: 0.01, 7: 0.01}, 0.05))
    assert scores.latest[1] == alone.latest[1] < 0.25
    assert np.array_equal(scores.kept(TWO, 0.25), np.where(TWO == 7, 7, 0))


def test_where_motion_can_be_told_it_speaks_for_what_moves_and_against_what_does_not() -> None:
    weak, unknown = cells(TWO, {1: 0.5, 7: 0.5}, 0.2), ObjectScores()
    see(unknown, TWO, weak)
    told = ObjectScores()
    for moving in (cells(TWO, {1: 0.5}, 0.2), np.full(CELLS, 0.2, np.float32)):
        see(told, TWO, weak, moving=moving)
    assert told.cues[1].moves == pytest.approx(0.15, abs=0.05)  # on average
    assert told.cues[7].moves == pytest.approx(0, abs=0.02)
    assert (told.cues[1].follows, unknown.cues[1].follows, unknown.cues[1].moves) == (1, 0, 0)
    assert told.latest[7] < unknown.latest[7] < unknown.latest[1] + 0.01 < told.latest[1]


@given(st.floats(0, 4), st.floats(-2, 2), st.floats(0, 1), st.floats(-3, 3), st.floats(-1, 1), st.floats(0, 0.5))
def test_a_score_is_a_probability_that_rises_with_every_cue(
    unlike: float, contrast: float, raised: float, peak: float, moves: float, more: float
) -> None:
    plain = Cues(unlike, contrast, raised, peak, moves, follows=0)
    assert 0 <= score(plain) <= 1
    for name in plain._fields[:-1]:
        assert score(plain._replace(**{name: getattr(plain, name) + more})) >= score(plain)
    assert score(plain._replace(follows=1)) <= score(plain)
