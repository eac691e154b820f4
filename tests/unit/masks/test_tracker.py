from __future__ import annotations

import itertools

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.clustering.per_frame import LATEST
from streamseg.masks.tracker import Rule, Tracker

CELL = 8


def draw(boxes: dict[int, tuple[int, int, int]], size: tuple[int, int] = (64, 96)) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of squares {thing: (row, column, side)}, numbered in their order, and features that differ by
    thing."""
    numbers, things = np.zeros(size, np.int32), np.zeros(size, np.uint8)
    for number, (thing, (row, column, side)) in enumerate(boxes.items(), 1):
        numbers[row : row + side, column : column + side] = number
        things[row : row + side, column : column + side] = thing
    grid = size[1] // CELL, size[0] // CELL
    shares = [cv2.resize((things == t).astype(np.float32), grid, interpolation=cv2.INTER_AREA) for t in range(8)]
    return numbers, np.stack(shares)


def ids_of(boxes: dict[int, tuple[int, int, int]], found: np.ndarray) -> dict[int, int]:
    """Return {thing: id}, and assert that each thing has one id."""
    names = {}
    for thing, (row, column, side) in boxes.items():
        (names[thing],) = np.unique(found[row : row + side, column : column + side]).tolist()
    return names


def drifting(index: int) -> dict[int, tuple[int, int, int]]:
    return {1: (4, 4 + 2 * index, 16), 2: (40, 72 - 3 * index, 16), 3: (24, 8 + index, 14)}


def test_things_that_move_keep_their_ids() -> None:
    tracks = Tracker()
    names = []
    for index in range(16):
        numbers, features = draw(drifting(index))
        found = tracks(numbers, features)
        assert found.dtype == np.uint8
        assert ((found > 0) == (numbers > 0)).all()
        names.append(ids_of(drifting(index), found))
    assert names == [{1: 1, 2: 2, 3: 3}] * 16


@settings(max_examples=30, deadline=None)
@given(st.lists(st.permutations([1, 2, 3]), min_size=4, max_size=4))
def test_how_parts_are_numbered_does_not_count(orders: list[list[int]]) -> None:
    tracks = Tracker()
    names = []
    for index, order in enumerate(orders):
        boxes = drifting(index)
        boxes = {thing: boxes[thing] for thing in order}
        names.append(ids_of(boxes, tracks(*draw(boxes))))
    assert all(after == names[0] for after in names)
    assert sorted(names[0].values()) == [1, 2, 3]


def test_an_id_returns_after_an_absence_and_elsewhere() -> None:
    tracks = Tracker()
    tracks(*draw({1: (4, 4, 16), 2: (40, 40, 16)}))
    for _ in range(20):
        assert ids_of({2: (40, 40, 16)}, tracks(*draw({2: (40, 40, 16)}))) == {2: 2}
    boxes = {3: (4, 4, 16), 2: (40, 40, 16), 1: (24, 72, 16)}  # a stranger stands where the first one was
    assert ids_of(boxes, tracks(*draw(boxes))) == {3: 3, 2: 2, 1: 1}


def test_empty_frames() -> None:
    tracks = Tracker()
    nothing = draw({})
    assert not tracks(*nothing).any()
    tracks(*draw({1: (4, 4, 16)}))
    assert not tracks(*nothing).any()
    assert ids_of({2: (40, 40, 16)}, tracks(*draw({2: (40, 40, 16)}))) == {2: 2}


def test_one_frame_never_gives_two_things_one_id() -> None:
    tracks = Tracker()
    twins = draw({1: (4, 4, 16), 2: (4, 40, 16), 3: (40, 4, 16)})[0], np.ones((3, 8, 12), np.float32)  # all look alike
    for _ in range(3):
        found = tracks(*twins)
        assert len(np.unique(found[twins[0] > 0])) == 3


def test_ids_never_leave_1_to_254() -> None:
    """Three hundred things, one after another, each with a new appearance at a free place."""
    tracks = Tracker()
    numbers = np.zeros((32, 32), np.int32)
    numbers[8:24, 8:24] = 1
    seen = []
    for stranger in range(300):
        features = np.zeros((300, 4, 4), np.float32)
        features[stranger] = 1
        tracks(np.zeros_like(numbers), features)
        found = tracks(numbers, features)
        (name,) = np.unique(found[numbers > 0])
        seen.append(int(name))
        assert not found[numbers == 0].any()
    assert seen[:254] == list(range(1, 255))
    assert seen[254:] == list(range(1, 47))  # of those seen longest ago
    features = np.zeros((300, 4, 4), np.float32)
    features[299] = 1
    assert np.unique(tracks(numbers, features)).tolist() == [0, 46]


def test_more_parts_than_ids_in_one_frame() -> None:
    numbers = np.zeros((60, 60), np.int32)
    places = itertools.product(range(0, 60, 3), repeat=2)
    for part, (row, column) in zip(range(1, 301), places):
        numbers[row : row + 2, column : column + 2] = part
    features = np.random.default_rng(0).normal(size=(16, 60, 60)).astype(np.float32)
    tracks = Tracker()
    for _ in range(2):
        found = tracks(numbers, features)
        assert found.max() <= 254
        names = [int(found[numbers == part][0]) for part in range(1, 301)]
        shown = [name for name in names if name]
        assert len(shown) == len(set(shown)) == 254


def test_frames_of_changing_size() -> None:
    tracks = Tracker()
    small, large = {1: (8, 8, 16), 2: (40, 48, 16)}, {1: (16, 16, 32), 2: (80, 96, 32)}
    for _ in range(3):
        assert ids_of(small, tracks(*draw(small))) == {1: 1, 2: 2}
        found = tracks(*draw(large, (128, 192)))
        assert found.shape == (128, 192)
        assert ids_of(large, found) == {1: 1, 2: 2}


def test_features_of_another_network_start_new_looks() -> None:
    tracks = Tracker()
    numbers, features = draw({1: (4, 4, 16)})
    tracks(numbers, features)
    assert np.unique(tracks(numbers, np.concatenate([features, features]))).size == 2
    assert np.unique(tracks(numbers, features)).size == 2


CENTRES = np.eye(6, dtype=np.float32)


def clustered(truth: np.ndarray, clusters: np.ndarray | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return parts and features of a row of cells. The arguments are the true classes and the clusters of the cells,
    from 0."""
    noise = 0.05 * np.random.default_rng(seed).standard_normal((len(truth), 6)).astype(np.float32)
    parts = (truth if clusters is None else clusters)[None] + 1
    return parts, np.ascontiguousarray((CENTRES[truth] + noise).T)[:, None]


def ids(tracker: Tracker, parts: np.ndarray, features: np.ndarray, count: int) -> list[int]:
    return tracker.match(parts, count, features)


@given(st.permutations(range(4)), st.integers(0, 99))
def test_renumbered_clusters_keep_their_ids(order: list[int], seed: int) -> None:
    truth, tracker = np.arange(4).repeat(20), Tracker(LATEST)
    first = ids(tracker, *clustered(truth), 4)
    again = ids(tracker, *clustered(truth, np.array(order)[truth], seed), 4)
    assert [again[order[c]] for c in range(4)] == first


def test_a_cluster_that_returns_gets_its_own_id_back() -> None:
    tracker, truth = Tracker(LATEST), np.arange(3).repeat(20)
    first = ids(tracker, *clustered(truth), 3)
    for seed in range(10):
        assert ids(tracker, *clustered(np.arange(2).repeat(30), seed=seed), 2) == first[:2]
    assert ids(tracker, *clustered(truth, seed=11), 3) == first


def test_something_new_gets_a_new_id() -> None:
    tracker, truth = Tracker(LATEST), np.arange(3).repeat(20)
    first = ids(tracker, *clustered(truth), 3)
    clusters = np.where(np.arange(60) % 4 == 0, 3, truth)  # something new covers a part of everything
    second = ids(tracker, *clustered(np.where(clusters == 3, 5, clusters), clusters), 4)
    assert second[:3] == first
    assert second[3] not in first


def test_ids_of_clusters_never_run_out() -> None:
    tracker, clusters = Tracker(Rule()), np.arange(5).repeat(4)  # nothing is ever like anything
    for seed in range(120):
        found = ids(tracker, *clustered(clusters, seed=seed), 5)
        assert len(set(found)) == 5
        assert all(1 <= i <= 254 for i in found)


def test_an_empty_cluster_is_no_failure() -> None:
    assert len(set(ids(Tracker(LATEST), *clustered(np.zeros(20, int)), 3))) == 3
