"""The figures of a sequence, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import adjusted_rand_score

from streamseg.evaluation.davis import contingency
from streamseg.evaluation.iou import best_cluster, best_union, iou
from streamseg.evaluation.sequence import FIGURES, Sequence, adjusted_rand
from streamseg.frame import VOID

SHAPE = (6, 8)
ids = arrays(np.uint8, SHAPE, elements=st.integers(0, 4))
truths = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, VOID]))


@given(ids, truths)
def test_rand_index_is_scikit_learns(found: np.ndarray, truth: np.ndarray) -> None:
    counted = truth != VOID
    expected = adjusted_rand_score(truth[counted], found[counted]) if counted.any() else 1.0
    assert adjusted_rand(contingency(found, truth)) == pytest.approx(expected)


@given(st.lists(st.tuples(ids, truths), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_figures_are_means_over_the_frames(clip: list[tuple[np.ndarray, np.ndarray]]) -> None:
    scores = Sequence()
    for position, (found, truth) in enumerate(clip):
        scores.add(position, found, found, truth)
    figures = scores.figures()
    assert set(figures) == set(FIGURES)
    things = [(f, t) for f, t in clip if ((t > 0) & (t != VOID)).any()]
    for name, rule in (("best", best_cluster), ("union", best_union)):
        expected = np.mean([rule(f, t).iou for f, t in things]) if things else None
        assert figures[name] == (pytest.approx(expected) if things else None)
    assert figures["free"] == pytest.approx(np.mean([iou(f > 0, t) for f, t in clip]))
    pixels = [np.concatenate([part[t != VOID] for part, t in ((pair[i], pair[1]) for pair in clip)]) for i in (0, 1)]
    assert figures["ari"] == pytest.approx(adjusted_rand_score(*pixels) if len(pixels[0]) else 1.0)


def test_changes_of_ids_count_between_neighbours_outside_void() -> None:
    truth = np.zeros((2, 10), np.uint8)
    first, second = truth.copy(), truth.copy()
    first[0, 0], second[0, 0:2] = 1, 1  # one of 20 pixels changes, and of those counted one of 18
    second[1, 8:] = VOID
    labels = [np.full((2, 10), 1, np.uint8), np.full((2, 10), 1, np.uint8)]
    labels[1][1] = 2  # ten change, two of them void
    scores = Sequence()
    for position, (found, true) in enumerate(zip(labels, (first, second), strict=True)):
        scores.add(position, found, None, true)
    figures = scores.figures()
    assert figures["truth_id_changes"] == pytest.approx(1 / 18)
    assert figures["segments_id_changes"] == pytest.approx(8 / 18)
    assert figures["segments_id_ratio"] == pytest.approx(8)
    assert figures["id_changes"] is None
    assert figures["free"] is None


def test_frames_that_are_no_neighbours_are_not_compared() -> None:
    scores = Sequence()
    for position in (0, 5):
        scores.add(position, np.full(SHAPE, position, np.uint8), None, np.zeros(SHAPE, np.uint8))
    assert scores.figures()["segments_id_changes"] is None


def test_frames_of_other_sizes_are_not_compared() -> None:
    scores = Sequence()
    for position, shape in enumerate(((4, 6), (6, 4))):
        scores.add(position, np.ones(shape, np.uint8), np.ones(shape, np.uint8), np.ones(shape, np.uint8))
    figures = scores.figures()
    assert figures["id_changes"] is None
    assert figures["best"] == figures["free"] == figures["jf"] == 1


def test_a_frame_without_foreground_has_no_best_segment() -> None:
    scores = Sequence()
    own = scores.add(0, np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    assert own == {"free": 1}
    assert scores.figures()["best"] is None
