"""J and F against a direct implementation of their definition: dilation by a disk, loops, every assignment."""

from __future__ import annotations

from itertools import permutations
from math import ceil, hypot

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation

from streamseg.evaluation.davis import assign, compare
from streamseg.frame import VOID

SHAPE = (6, 130)  # a diagonal whose tolerance is two pixels
masks = arrays(bool, SHAPE, elements=st.booleans(), fill=st.just(False))
FRAMES = 3


def pictures(ids: list[int]) -> st.SearchStrategy[np.ndarray]:
    """Blocks of ids, enlarged, so that there are regions and not only noise."""
    blocks = arrays(np.uint8, (2, 13), elements=st.sampled_from(ids))
    return blocks.map(lambda small: np.kron(small, np.ones((3, 10), np.uint8)))


clips = st.tuples(
    st.lists(pictures([0, 0, 1, 3, VOID]), min_size=FRAMES, max_size=FRAMES),
    st.lists(pictures([0, 0, 1, 2, VOID]), min_size=FRAMES, max_size=FRAMES),
)


def plain_j(found: np.ndarray, truth: np.ndarray) -> float:
    union = (found | truth).sum()
    return (found & truth).sum() / union if union else 1.0


def plain_boundary(mask: np.ndarray) -> np.ndarray:
    """Return the pixels that differ from a neighbour on the right, below, or below on the right, within the image."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edge


def plain_f(found: np.ndarray, truth: np.ndarray) -> float:
    reach = ceil(0.008 * hypot(*found.shape))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = x * x + y * y <= reach * reach
    a, b = plain_boundary(found), plain_boundary(truth)
    if not a.any() or not b.any():
        return float(a.any() == b.any())
    precision = (a & binary_dilation(b, disk)).sum() / a.sum()
    recall = (b & binary_dilation(a, disk)).sum() / b.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def plain_jf(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """The best mean over the objects of (J + F) / 2 under any one-to-one assignment of ids."""
    objects = sorted(set(np.unique(truth)) - {0, VOID})
    seen = np.concatenate([f[t != VOID] for f, t in zip(found, truth, strict=True)])  # the rest does not count
    ids = sorted(set(np.unique(seen)) - {0, VOID})
    ids += [-1] * (len(objects) - len(ids))  # empty ones, where there are too few

    def quality(i: int, g: int) -> float:
        known = [t != VOID for t in truth]
        pairs = [((f == i) & k, (t == g) & k) for f, t, k in zip(found, truth, known, strict=True)]
        return float(np.mean([(plain_j(a, b) + plain_f(a, b)) / 2 for a, b in pairs]))

    table = {(i, g): quality(i, g) for i in set(ids) for g in objects}
    return max(
        np.mean([table[i, g] for i, g in zip(order, objects, strict=True)]) for order in permutations(ids, len(objects))
    )


@given(pictures([0, 0, 1, VOID]), pictures([0, 0, 1]))
@settings(max_examples=50)
def test_j_and_f_of_a_pair_are_the_definition(truth: np.ndarray, found: np.ndarray) -> None:
    table = compare(found, truth)
    known = truth != VOID
    for p, i in enumerate(table.found):
        for g, o in enumerate(table.truth):
            a, b = ((found == i) & known) if i else known & False, ((truth == o) & known) if o else known & False
            assert table.j[p, g] == pytest.approx(plain_j(a, b))
            assert table.f[p, g] == pytest.approx(plain_f(a, b))


@given(masks, masks)
@settings(max_examples=30)
def test_tolerance_is_a_disk(found: np.ndarray, truth: np.ndarray) -> None:
    table = compare(found.astype(np.uint8), truth.astype(np.uint8))
    assert table.f[-1, -1] == pytest.approx(plain_f(found, truth))


@given(clips)
@settings(max_examples=25, deadline=None)
def test_sequences_take_the_best_assignment(clip: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    found, truth = clip
    matches = assign([compare(f, t) for f, t in zip(found, truth, strict=True)])
    present = sorted({o for t, f in zip(truth, found) for o in np.unique(t)} - {0, VOID})
    assert [match.truth for match in matches] == present
    if present:
        assert np.mean([(m.j + m.f) / 2 for m in matches]) == pytest.approx(plain_jf(found, truth))


@given(clips, st.permutations(range(1, 6)))
@settings(max_examples=20, deadline=None)
def test_the_numbers_of_ids_do_not_matter(clip: tuple[list[np.ndarray], list[np.ndarray]], order: list[int]) -> None:
    found, truth = clip
    names = np.arange(256, dtype=np.uint8)
    names[1:6] = order
    before = assign([compare(f, t) for f, t in zip(found, truth, strict=True)])
    after = assign([compare(names[f], t) for f, t in zip(found, truth, strict=True)])
    assert sum(m.j + m.f for m in after) == pytest.approx(sum(m.j + m.f for m in before))


@given(st.lists(pictures([0, 1, 2, VOID]), min_size=1, max_size=3))
@settings(max_examples=20)
def test_perfect_masks_get_one(truth: list[np.ndarray]) -> None:
    matches = assign([compare(t, t) for t in truth])
    assert all(match.j == match.f == 1 for match in matches)


def test_an_id_that_swaps_objects_lowers_the_score() -> None:
    left, right = np.zeros((20, 40), np.uint8), np.zeros((20, 40), np.uint8)
    left[5:15, 5:15], right[5:15, 25:35] = 1, 1
    truth = left + 2 * right
    matches = assign([compare(truth, truth), compare(2 * left + right, truth)])
    assert [match.j for match in matches] == [0.5, 0.5]


def test_an_object_that_is_never_found_scores_in_frames_without_it() -> None:
    """Two empty masks agree: J and F are 1, as in DAVIS."""
    there, gone = np.zeros((20, 40), np.uint8), np.zeros((20, 40), np.uint8)
    there[5:15, 5:15] = 1
    (match,) = assign([compare(gone, there), compare(gone, gone)])
    assert (match.found, match.j, match.f) == (0, 0.5, 0.5)


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="truth is"):
        compare(np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8))
