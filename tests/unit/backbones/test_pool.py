"""Tests the pool of networks: the longest unused one is closed first, and none while it is in use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

from streamseg.backbones import Backbone
from streamseg.backbones.pool import BackbonePool


class Closing(Backbone):
    """A backbone that must not run after it was closed."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.closed = size, False

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        assert not self.closed
        return {"features": images}

    def close(self) -> None:
        assert not self.closed  # once is enough
        self.closed = True


SIZES = [(32, 32 * width) for width in range(1, 9)]


def test_a_size_is_opened_once_and_the_longest_unused_is_closed() -> None:
    pool = BackbonePool(Closing, capacity=2)
    first, second = pool.get(SIZES[0]), pool.get(SIZES[1])
    assert pool.get(SIZES[0]) is first  # used again: now the second is the longest unused
    pool.get(SIZES[2])
    assert (first.closed, second.closed) == (False, True)
    assert [backbone.size for backbone in pool.backbones] == [SIZES[0], SIZES[2]]


def test_what_is_in_use_stays_open_until_its_last_user_is_done() -> None:
    pool = BackbonePool(Closing, capacity=1)
    with pool.lease(SIZES[0]) as used:
        with pool.lease(SIZES[0]) as same:
            pool.get(SIZES[1])  # evicts the first, which is in use twice
        assert same is used
        assert not used.closed
        used.run(np.zeros(1))
    assert used.closed
    assert not pool.get(SIZES[1]).closed


def test_close_waits_for_users_too() -> None:
    pool = BackbonePool(Closing)
    with pool.lease(SIZES[0]) as used:
        idle = pool.get(SIZES[1])
        pool.close()
        assert (idle.closed, used.closed) == (True, False)
    assert used.closed
    assert pool.backbones == []


def test_no_thread_meets_a_closed_network() -> None:
    """Four threads request eight sizes, of which two stay open, in different orders."""
    pool, together, opened = BackbonePool(Closing, capacity=2), Barrier(4), []

    def use(seed: int) -> int:
        together.wait()
        for index in np.random.default_rng(seed).integers(0, len(SIZES), 500).tolist():
            with pool.lease(SIZES[index]) as backbone:
                opened.append(backbone)
                backbone.run(np.zeros(1))
        return seed

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(use, range(4))) == [0, 1, 2, 3]
    kept = set(map(id, pool.backbones))
    assert all(backbone.closed != (id(backbone) in kept) for backbone in opened)
