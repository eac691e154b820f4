"""IoU of clusters with objects, against scikit-learn and against brute force over all sets of clusters."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import jaccard_score

from streamseg.evaluation.iou import count_pixels, free_choice, iou
from streamseg.frame import VOID

SHAPE = (6, 7)
masks = arrays(bool, SHAPE)
labels = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, 3, 5, VOID]))
truths = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 1, 4, VOID]))


@given(masks, truths)
def test_iou_is_scikit_learns(mask: np.ndarray, truth: np.ndarray) -> None:
    counted = truth != VOID
    expected = jaccard_score(truth[counted] > 0, mask[counted], zero_division=1.0) if counted.any() else 1.0
    assert iou(mask, truth) == pytest.approx(expected)


@given(labels, truths)
def test_best_union_beats_every_set(found: np.ndarray, truth: np.ndarray) -> None:
    clusters = np.unique(found[found != VOID]).tolist()
    sets = chain.from_iterable(combinations(clusters, n) for n in range(len(clusters) + 1))
    limit = max(iou(np.isin(found, chosen), truth) for chosen in sets)
    union = count_pixels(found, truth).best_union()
    assert union.iou == pytest.approx(limit)
    assert iou(np.isin(found, union.clusters), truth) == pytest.approx(limit)


@given(labels, truths)
def test_best_cluster_beats_every_cluster(found: np.ndarray, truth: np.ndarray) -> None:
    present = np.unique(found[(found != VOID) & (truth != VOID)]).tolist()
    best = count_pixels(found, truth).best_cluster()
    assert best.iou == pytest.approx(iou(np.isin(found, best.clusters), truth))
    assert best.iou == max((iou(found == cluster, truth) for cluster in present), default=best.iou)
    assert len(best.clusters) == bool(present)
    assert best.iou <= count_pixels(found, truth).best_union().iou + 1e-12


@given(labels, truths, st.permutations([0, 1, 2, 3, 4, 5]))
def test_names_of_clusters_do_not_matter(found: np.ndarray, truth: np.ndarray, order: list[int]) -> None:
    renamed = np.where(found == VOID, VOID, np.array([*order, *range(6, 256)])[found]).astype(np.uint8)
    one, other = count_pixels(found, truth), count_pixels(renamed, truth)
    assert one.best_cluster().iou == other.best_cluster().iou
    assert one.best_union().iou == pytest.approx(other.best_union().iou)


def test_counts_by_hand() -> None:
    found = np.array([[0, 0, 1, 1], [0, 2, 1, VOID]])
    truth = np.array([[0, 3, 1, 1], [VOID, 0, 0, 2]])
    counts = count_pixels(found, truth, 5)
    assert counts.inside.tolist() == [1, 2, 0, 0, 0]
    assert counts.outside.tolist() == [1, 1, 1, 0, 0]
    assert counts.total == 4
    assert counts.iou([0, 1]) == 3 / 6
    assert counts.best_cluster() == ((1,), 2 / 5)
    assert counts.best_union() == ((0, 1), 3 / 6)


def test_two_empty_masks_agree() -> None:
    empty = np.zeros((3, 3), np.uint8)
    assert iou(empty > 0, empty) == 1.0
    assert iou(empty == 0, empty) == 0.0
    assert count_pixels(empty, empty).best_union() == ((), 1.0)


def test_shapes_have_to_agree() -> None:
    with pytest.raises(ValueError, match=r"labels are \(2, 3\), truth is \(3, 2\)"):
        iou(np.ones((2, 3), bool), np.ones((3, 2), np.uint8))


def disc(size: tuple[int, int], at: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return np.hypot(y - at[0], x - at[1]) < radius


def test_the_free_choice_takes_what_lies_in_the_centre() -> None:
    frames = []
    for size, at in (((24, 32), (12, 15)), ((32, 24), (17, 12)), ((24, 24), (11, 13))):  # sizes differ
        scene = np.where(np.arange(size[0])[:, None] * np.ones(size[1]) > size[0] / 2, 1, 0)  # floor and wall
        scene[disc(size, at, 6)] = 2
        scene[disc(size, at, 3)] = 3
        frames.append(scene)
    assert free_choice(frames, 5) == (2, 3)


@given(
    st.lists(arrays(np.int64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)), min_size=1)
)
def test_the_free_choice_is_never_empty_and_never_absent(frames: list[np.ndarray]) -> None:
    chosen = free_choice(frames, 4)
    present = set(np.unique(np.concatenate([frame.ravel() for frame in frames])).tolist())
    assert chosen
    assert set(chosen) <= present
