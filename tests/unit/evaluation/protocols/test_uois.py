"""Overlap, boundary and objects at .75 against a plain reading of their definition: loops, disks, every matching."""

from __future__ import annotations

from itertools import permutations
from math import ceil, hypot

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.ndimage import binary_dilation

from streamseg.evaluation.protocols import open_protocol
from streamseg.evaluation.protocols.uois import FIGURES
from streamseg.frame import VOID
from tests.unit.evaluation.clips import Clip, clips
from tests.unit.evaluation.test_davis import plain_boundary


def plain_f(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def plain(found: np.ndarray, true: np.ndarray) -> list[float]:
    """The eight figures of a frame with found and true objects; None of them VOID."""
    mine = [found == i for i in np.unique(found) if i]
    theirs = [true == i for i in np.unique(true) if i]
    short, long = sorted((mine, theirs), key=len)
    best = max(
        permutations(range(len(long)), len(short)),
        key=lambda order: sum(plain_f(a, long[place]) for a, place in zip(short, order, strict=True)),
    )
    pairs = [(a, long[place]) for a, place in zip(short, best, strict=True)]
    pairs = pairs if short is mine else [(b, a) for a, b in pairs]
    reach = ceil(0.003 * hypot(*found.shape))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = x * x + y * y <= reach * reach

    def figures(hits: tuple[int, int], sizes: tuple[int, int]) -> list[float]:
        p, r = (hit / size if size else 1.0 for hit, size in zip(hits, sizes, strict=True))
        return [p, r, 2 * p * r / (p + r) if p + r else 0.0]

    both = sum(int((a & b).sum()) for a, b in pairs)
    outlines = [(plain_boundary(a), plain_boundary(b)) for a, b in pairs]
    hits = (
        sum(int((a & binary_dilation(b, disk)).sum()) for a, b in outlines),
        sum(int((b & binary_dilation(a, disk)).sum()) for a, b in outlines),
    )
    lengths = [sum(int(plain_boundary(mask).sum()) for mask in masks) for masks in (mine, theirs)]
    well = sum(plain_f(a, b) > 0.75 for a, b in pairs)
    overlap = figures((both, both), (int((found > 0).sum()), int((true > 0).sum())))
    counts = [well / len(theirs), 2 * well / (len(mine) + len(theirs))]
    return [*overlap, *figures(hits, (lengths[0], lengths[1])), *counts]


@given(clips([0, 0, 1, 2, 4], [0, 0, 1, 3], least=1, most=1))
@settings(max_examples=30, deadline=None)
def test_as_defined(clip: Clip) -> None:
    (found,), (true,) = clip
    ours = open_protocol("uois")
    ours.add(found, true, {})
    values = list(ours.figures().values())
    if found.any() and true.any():
        expected = plain(found, true)
        # where several matchings are equally good, the boundaries may differ
        assert values[:3] == pytest.approx(expected[:3])
        assert values[6:] == pytest.approx(expected[6:])
    elif found.any() or true.any():
        assert values[2] == values[5] == values[6] == values[7] == 0
        assert values[:2] == ([0, 1] if found.any() else [1, 0])
    else:
        assert values == [1.0] * len(FIGURES)


def test_boundaries_of_things_that_are_a_little_off() -> None:
    true = np.zeros((240, 320), np.uint8)
    true[20:90, 20:90], true[120:200, 100:240], true[30:80, 200:300] = 1, 2, 3
    found = np.roll(true, 3, axis=1)
    found[found == 3] = 0
    found[100:110, 20:60] = 8
    ours = open_protocol("uois")
    ours.add(found, true, {})
    assert list(ours.figures().values()) == pytest.approx(plain(found, true))
    assert 0.3 < (ours.figures()["uois_boundary_f"] or 0) < 0.9


def test_what_is_void_does_not_count_and_frames_are_averaged() -> None:
    true = np.zeros((12, 12), np.uint8)
    true[:6] = 1
    found = np.where(true == 1, 5, 0).astype(np.uint8)
    found[8:] = 6
    true[8:] = VOID
    ours = open_protocol("uois")
    ours.add(found, true, {})
    assert ours.figures()["uois_overlap_f"] == 1
    ours.add(np.zeros_like(found), true, {})
    assert ours.figures()["uois_overlap_f"] == ours.figures()["uois_objects_75"] == 0.5
    assert ours.weight == 2
