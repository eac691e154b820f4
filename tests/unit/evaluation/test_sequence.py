"""The figures of a sequence, against scikit-learn and by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import adjusted_rand_score

from streamseg.evaluation.davis import contingency
from streamseg.evaluation.iou import PixelCounts, count_pixels, iou
from streamseg.evaluation.sequence import FIGURES, IOU, SequenceScores, adjusted_rand
from streamseg.frame import VOID, Segmentation

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
    scores = SequenceScores()
    for position, (found, truth) in enumerate(clip):
        scores.add(position, Segmentation(found, 4, found), truth)
    figures = scores.figures()
    assert set(figures) == set(FIGURES)
    things = [(f, t) for f, t in clip if ((t > 0) & (t != VOID)).any()]
    for name, rule in (("best", PixelCounts.best_cluster), ("union", PixelCounts.best_union)):
        expected = np.mean([rule(count_pixels(f, t)).iou for f, t in things]) if things else None
        assert figures[name] == (pytest.approx(expected) if things else None)
    assert figures["free"] == (pytest.approx(np.mean([iou(f > 0, t) for f, t in things])) if things else None)
    pixels = [np.concatenate([part[t != VOID] for part, t in ((pair[i], pair[1]) for pair in clip)]) for i in (0, 1)]
    assert figures["ari"] == pytest.approx(adjusted_rand_score(*pixels) if len(pixels[0]) else 1.0)


def test_changes_of_ids_count_between_neighbours_outside_void() -> None:
    truth = np.zeros((2, 10), np.uint8)
    first, second = truth.copy(), truth.copy()
    first[0, 0], second[0, 0:2] = 1, 1  # one of 20 pixels changes, and of those counted one of 18
    second[1, 8:] = VOID
    labels = [np.full((2, 10), 1, np.uint8), np.full((2, 10), 1, np.uint8)]
    labels[1][1] = 2  # ten change, two of them void
    scores = SequenceScores()
    for position, (found, true) in enumerate(zip(labels, (first, second), strict=True)):
        scores.add(position, Segmentation(found, 2), true)
    figures = scores.figures()
    assert figures["truth_id_changes"] == pytest.approx(1 / 18)
    assert figures["segments_id_changes"] == pytest.approx(8 / 18)
    assert figures["segments_id_ratio"] == pytest.approx(8)
    assert figures["id_changes"] is None
    assert figures["free"] is None


def test_frames_that_are_no_neighbours_are_not_compared() -> None:
    scores = SequenceScores()
    for position in (0, 5):
        scores.add(position, Segmentation(np.full(SHAPE, position, np.uint8), 1), np.zeros(SHAPE, np.uint8))
    assert scores.figures()["segments_id_changes"] is None


def test_frames_of_other_sizes_are_not_compared() -> None:
    scores = SequenceScores()
    for position, shape in enumerate(((4, 6), (6, 4))):
        ones = np.ones(shape, np.uint8)
        scores.add(position, Segmentation(ones, 1, ones), ones)
    figures = scores.figures()
    assert figures["id_changes"] is None
    assert figures["best"] == figures["free"] == figures["jf"] == 1


def test_a_frame_without_foreground_has_no_best_segment() -> None:
    scores = SequenceScores()
    nothing = np.zeros(SHAPE, np.uint8)
    own = scores.add(0, Segmentation(np.ones(SHAPE, np.uint8), 1, nothing), nothing)
    assert own == {}
    assert scores.figures()["best"] is None


def test_best_and_free_are_means_over_the_same_frames() -> None:
    """A frame without foreground, in which something was found, must not lower "free" alone."""
    truth, nothing = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    truth[:3] = 1
    scores = SequenceScores()
    for position, true in enumerate((truth, nothing, truth)):
        scores.add(position, Segmentation(truth + 1, 2, truth), true)
    figures = scores.figures()
    assert figures["free"] == figures["best"] == 1
    assert {len(scores.iou[name]) for name in IOU} == {2}


@given(ids.map(lambda found: found + 1), ids, truths)
@settings(max_examples=50, deadline=None)
def test_best_and_union_are_over_things_and_the_regions_around(
    labels: np.ndarray, objects: np.ndarray, truth: np.ndarray
) -> None:
    """The oracle tries every mask, and every union of masks, pixel by pixel."""
    scores = SequenceScores(iou_only=True)
    own = scores.add(0, Segmentation(labels, 5, objects), truth)
    if not ((truth > 0) & (truth != VOID)).any():
        assert own == {}
        return
    things = [objects == i for i in range(1, 5) if (objects == i).any()]
    regions = [(labels == i) & (objects == 0) for i in range(1, 6)]
    for prefix, masks in (("", [*things, *regions]), ("segments_", [labels == i for i in range(1, 6)])):
        present = [mask for mask in masks if (mask & (truth != VOID)).any()]
        assert own[f"{prefix}best"] == pytest.approx(max(iou(mask, truth) for mask in present))
        unions = itertools.product((False, True), repeat=len(present))
        best = max(
            iou(np.any([m for m, t in zip(present, taken) if t], axis=0), truth) for taken in unions if any(taken)
        )
        assert own[f"{prefix}union"] == pytest.approx(best)


def test_a_thing_may_be_the_best_mask() -> None:
    """Clusters that split the object have a lower IoU, so `best` shows the gain by objects."""
    truth = np.zeros(SHAPE, np.uint8)
    truth[1:4, 1:5] = 1
    labels = np.where(np.arange(SHAPE[1]) < 3, 1, 2).astype(np.uint8) * np.ones(SHAPE, np.uint8)
    scores = SequenceScores()
    scores.add(0, Segmentation(labels, 2, truth), truth)
    figures = scores.figures()
    assert figures["best"] == figures["union"] == 1
    assert figures["segments_best"] == pytest.approx(6 / (12 + 18 - 6))
    assert figures["segments_union"] == pytest.approx(12 / 48)
