"""DAVIS-2017 unsupervised against TrackEval's J and F with the assignment on both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings

from streamseg.evaluation.protocols import open_protocol
from streamseg.evaluation.protocols.davis17u import PROPOSALS
from streamseg.frame import VOID
from tests.unit.evaluation.clips import Clip, clips
from tests.unit.evaluation.protocols.oracle import davis_of_trackeval


@given(clips([0, 1, 2, 4], [0, 0, 1, 3, VOID]))
@settings(max_examples=25, deadline=None)
def test_as_the_published_evaluation_counts(clip: Clip) -> None:
    ours = open_protocol("davis17u")
    for found, true in zip(*clip, strict=True):
        ours.add(found, true, {})
    known = [(np.where(t == VOID, 0, f), np.where(t == VOID, 0, t)) for f, t in zip(*clip, strict=True)]
    objects = set(np.unique([t for _, t in known]).tolist()) - {0}
    assert ours.weight == len(objects)
    assume(objects)
    figures = ours.figures()
    theirs = davis_of_trackeval([f for f, _ in known], [t for _, t in known])
    # two assignments may be equally good, and differ in what is no part of the mean
    means = ("davis17u_jf",)
    assert [figures[name] for name in means] == pytest.approx(theirs[:1])
    if len({round(value, 6) for value in theirs}) == len(theirs):
        assert figures["davis17u_j_mean"] + figures["davis17u_f_mean"] == pytest.approx(theirs[1] + theirs[4])


def test_a_plain_sequence_has_every_figure() -> None:
    rng = np.random.default_rng(0)
    truth = np.kron(np.array([[1, 0, 2], [0, 3, 0]], np.uint8), np.ones((20, 20), np.uint8))
    names = np.array([0, 9, 4, 7], np.uint8)  # other ids
    found = []
    for shift in range(8):
        noisy = np.roll(names[truth], shift, axis=1)
        noisy[rng.random(truth.shape) < 0.02] = 0
        found.append(noisy)
    ours = open_protocol("davis17u")
    for one in found:
        ours.add(one, truth, {})
    assert list(ours.figures().values()) == pytest.approx(davis_of_trackeval(found, [truth] * 8))
    assert ours.figures()["davis17u_j_decay"] > 0.2


def test_twenty_ids_at_most_those_with_the_highest_scores() -> None:
    truth = np.zeros((4, 60), np.uint8)
    truth[:, 58:] = 1
    found = np.repeat(np.arange(1, 31, dtype=np.uint8), 2)[None].repeat(4, axis=0)

    def j(scores: dict[int, float]) -> float | None:
        ours = open_protocol("davis17u")
        ours.add(found, truth, scores)
        return ours.figures()["davis17u_j_mean"]

    assert j({i: 0.5 for i in range(1, 31)} | {30: 0.9}) == 1
    assert j({i: 0.5 for i in range(1, 31)} | {30: 0.1}) == 0
    assert PROPOSALS == 20


def test_without_objects_there_are_no_figures() -> None:
    ours = open_protocol("davis17u")
    ours.add(np.ones((5, 5), np.uint8), np.zeros((5, 5), np.uint8), {})
    assert set(ours.figures().values()) == {None}
    assert ours.weight == 0
