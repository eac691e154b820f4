"""Parts that rest are told from those that move, and only where something moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.objects.resting import FEWEST, PARTS, RestingParts

EACH = FEWEST * PARTS


def cells(kinds: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 16) unit vectors around as many directions as there are kinds, and the (n,) kind of each."""
    random = np.random.default_rng(seed)
    kind = np.repeat(np.arange(kinds), EACH)
    points = np.eye(16, dtype=np.float32)[kind] + random.normal(0, 0.05, (len(kind), 16)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True), kind


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_what_never_moves_rests_and_what_moves_in_part_does_not(share: float) -> None:
    points, kind = cells(3)
    evidence = np.full(len(points), -0.4)
    evidence[(kind == 0) & (np.random.default_rng(1).random(len(kind)) < share)] = 1.8
    rests = RestingParts()
    rests.learn(points, evidence, seed=0)
    found = rests(points)
    assert set(np.unique(found)) == {0.0, 1.0}
    assert found[kind == 0].mean() < 0.05
    assert found[kind > 0].mean() > 0.95


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(-2, 0.9))
def test_where_nothing_moves_clearly_nothing_rests(seed: int, loudest: float) -> None:
    points, _ = cells(2, seed)
    rests = RestingParts()
    rests.learn(points, np.random.default_rng(seed).uniform(-2.1, loudest, len(points)), seed=0)
    assert not rests(points).any()


def test_a_few_cells_teach_nothing_and_what_was_learnt_before_is_forgotten() -> None:
    points, kind = cells(2)
    evidence = np.where(kind == 0, 1.8, -1.0)
    rests = RestingParts()
    assert not rests(points).any()
    rests.learn(points, evidence, seed=0)
    assert rests(points).any()
    rests.learn(points[: EACH - 1], evidence[: EACH - 1], seed=0)
    assert not rests(points).any()
