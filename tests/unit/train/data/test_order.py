"""Each frame occurs once per epoch, shuffled within a group of shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from streamseg.sources.shards import open_all
from train.data.frame_cache import FrameCache
from train.data.order import Order, part_ends
from train.data.recordings import open_recordings
from train.data.samples import EndlessBatches, Samples, loader
from train.data.views import two_views


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 3))
def test_an_epoch_has_each_frame_once_shuffled_within_windows(lengths: list[int], window: int, epoch: int) -> None:
    ends = np.cumsum(lengths)
    found = Order(ends.tolist(), 7, window)(epoch)
    assert sorted(found.tolist()) == list(range(ends[-1]))
    parts = np.searchsorted(ends, found, side="right")
    at_a_time = [set(parts[parts_in].tolist()) for parts_in in _windows(parts, window)]
    assert len(lengths) == 1 or all(len(few) <= window for few in at_a_time)


def _windows(parts: np.ndarray, window: int) -> list[slice]:
    """Divide the order into windows, greedily: a new one starts when a further part would exceed `window` parts."""
    cuts, seen = [0], set()
    for place, part in enumerate(parts.tolist()):
        if part not in seen and len(seen) == window:
            cuts.append(place)
            seen = set()
        seen.add(part)
    return [slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(parts)])]


def test_the_order_depends_on_epoch_and_seed_alone() -> None:
    ends = list(range(5, 105, 5))
    assert np.array_equal(Order(ends, 1, 4)(3), Order(ends, 1, 4)(3))
    assert not np.array_equal(Order(ends, 1, 4)(3), Order(ends, 1, 4)(4))
    assert not np.array_equal(Order(ends, 1, 4)(3), Order(ends, 2, 4)(3))


@pytest.fixture
def shards(tmp_path: Path, images: Path) -> Path:
    """Six recordings of 12 frames, two in each shard."""
    for number in range(6):
        (tmp_path / "many" / f"r{number}").mkdir(parents=True)
        for path in images.iterdir():
            (tmp_path / "many" / f"r{number}" / path.name).hardlink_to(path)
    pack([str(tmp_path / "many")], tmp_path / "shards", PackOptions(side=64), per_shard=2, workers=1)
    return tmp_path / "shards"


def samples(folder: Path) -> Samples:
    recordings = open_recordings([f"shards:{folder}"])
    count = sum(len(recording) for recording in recordings)
    return Samples(recordings, two_views(32), gap=(1, 3), seed=5, pictures=FrameCache("none", count, 64))


def anchors(folder: Path, batches: int, start: int = 0, rank: int = 0, world: int = 1, workers: int = 0) -> list[list]:
    """Return the frame ids of each batch."""
    found = loader(samples(folder), EndlessBatches(8, start, rank, world), workers)
    return [batch.frame_ids.tolist() for _, batch in zip(range(batches), found)]


def test_ranks_and_workers_share_an_epoch_without_overlap(shards: Path) -> None:
    assert part_ends(open_all(str(shards))) == [24, 48, 72]
    whole = anchors(shards, 9)
    ranks = [anchors(shards, 9, rank=rank, world=2, workers=2) for rank in (0, 1)]
    for batch, first, second in zip(whole, *ranks):
        assert sorted(batch) == sorted(first + second)
    order = samples(shards).order(0)
    assert sorted(order.tolist()) == list(range(72))


def test_a_resumed_run_gets_the_remaining_batches(shards: Path) -> None:
    assert anchors(shards, 4, start=5) == anchors(shards, 9)[5:]
    assert anchors(shards, 4, start=5, workers=2) == anchors(shards, 9)[5:]
