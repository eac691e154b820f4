"""Tests the groups of parts that are merged pair by pair."""

from __future__ import annotations

import numpy as np

from streamseg.depth.merging import MergedParts

PARTS = np.array([[0, 1, 2], [3, 4, 0]], np.int32)


def test_merged_groups_are_numbered_without_gaps() -> None:
    merged = MergedParts(PARTS)
    merged.merge(1, 3)
    merged.merge(3, 4)
    assert merged.are_one(1, 4)
    assert not merged.are_one(1, 2)
    np.testing.assert_array_equal(merged.numbered(), [[0, 1, 2], [1, 1, 0]])


def test_nothing_to_merge_changes_nothing() -> None:
    np.testing.assert_array_equal(MergedParts(PARTS).numbered(), PARTS)
    empty = np.zeros((2, 2), np.int32)
    np.testing.assert_array_equal(MergedParts(empty).numbered(), empty)
