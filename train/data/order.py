"""The order of the frames in an epoch: each frame once, shuffled.

Frames of folders are shuffled as a whole. Frames of shards are shuffled within groups of WINDOW shards, which are drawn
anew for each epoch, so that the disk reads a few files at a time and data that is read ahead is used soon. The order
depends on the seed and the epoch alone: devices and workers never use the same frame twice, whatever their number, and
a run can be resumed in the middle of an epoch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from streamseg.sources import Recording
from streamseg.sources.shards import ShardRecording

WINDOW = 16
"""Number of shards in a group, which have about ten thousand frames in CO3D as packed by default."""
CACHED_EPOCHS = 2
"""Number of epochs whose order is cached: at the end of an epoch, workers are already in the next one."""


class Order:
    """order(epoch) returns the (length,) int64 numbers of all frames, in the order of that epoch.

    ends: the frame number at which each part ends, in rising order; the last is the number of frames. With one part,
    all frames are shuffled as a whole. window: number of parts that are shuffled together.
    """

    def __init__(self, ends: Sequence[int], seed: int, window: int = WINDOW) -> None:
        self.ends, self.seed, self.window = np.asarray(ends, np.int64), seed, window
        self._cached: OrderedDict[int, np.ndarray] = OrderedDict()

    def __call__(self, epoch: int) -> np.ndarray:
        if epoch not in self._cached:
            self._cached[epoch] = self._shuffled(epoch)
            while len(self._cached) > CACHED_EPOCHS:
                self._cached.popitem(last=False)
        return self._cached[epoch]

    def _shuffled(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, 0, epoch))
        if len(self.ends) == 1:
            return rng.permutation(int(self.ends[0]))
        starts = np.concatenate([[0], self.ends[:-1]])
        parts = [np.arange(starts[part], self.ends[part]) for part in rng.permutation(len(self.ends))]
        windows = [np.concatenate(parts[at : at + self.window]) for at in range(0, len(parts), self.window)]
        return np.concatenate([rng.permutation(window) for window in windows])


def part_ends(recordings: Sequence[Recording]) -> list[int]:
    """Return the `ends` of `Order`: each shard is a part, and so are successive recordings outside of shards."""
    ends: list[int] = []
    count = 0
    previous: object = None
    for recording in recordings:
        part = recording.shard if isinstance(recording, ShardRecording) else "elsewhere"
        if count and part != previous:
            ends.append(count)
        previous, count = part, count + len(recording)
    return [*ends, count]
