"""In which order an epoch takes the frames: each once, shuffled.

Frames of a folder are shuffled as a whole. Those of shards are shuffled within a buffer of WINDOW shards, which are
drawn anew for each epoch: then the disk reads a few files at a time, and what is read ahead is soon used. Everything
follows from the seed and the epoch: no device and no worker takes a frame that another one takes, however many there
are, and a resumed run goes on in the middle of an epoch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from streamseg.sources import Recording
from streamseg.sources.shards import ShardRecording

WINDOW = 16
"""Shards in the shuffle buffer: some ten thousand frames of CO3D, as packed by default."""
KEPT = 2
"""Epochs whose order is kept: at the end of one, workers are in the next already."""


class Order:
    """order(epoch) -> (length,) int64 frame numbers. ends: numbers that parts end at, in rising order, the last being
    the number of frames; a single one = shuffled as a whole."""

    def __init__(self, ends: Sequence[int], seed: int, window: int = WINDOW) -> None:
        self.ends, self.seed, self.window = np.asarray(ends, np.int64), seed, window
        self._known: OrderedDict[int, np.ndarray] = OrderedDict()

    def __call__(self, epoch: int) -> np.ndarray:
        if epoch not in self._known:
            self._known[epoch] = self._drawn(epoch)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return self._known[epoch]

    def _drawn(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, 0, epoch))
        if len(self.ends) == 1:
            return rng.permutation(int(self.ends[0]))
        starts = np.concatenate([[0], self.ends[:-1]])
        parts = [np.arange(starts[part], self.ends[part]) for part in rng.permutation(len(self.ends))]
        windows = [np.concatenate(parts[at : at + self.window]) for at in range(0, len(parts), self.window)]
        return np.concatenate([rng.permutation(window) for window in windows])


def part_ends(recordings: Sequence[Recording]) -> list[int]:
    """The `ends` of `Order` for these recordings: one part a shard; all that lies in no shard is one part."""
    ends: list[int] = []
    count = 0
    before: object = None
    for recording in recordings:
        part = recording.shard if isinstance(recording, ShardRecording) else "elsewhere"
        if count and part != before:
            ends.append(count)
        before, count = part, count + len(recording)
    return [*ends, count]
