"""Sequential frames as training samples: frame t and the frames t + d, t + 2d ... of one recording, and their views.

Everything about sample number n follows from the seed and n alone: which frames, which crops, which colours. So the
order of the data is the same whatever the number of workers, and a resumed run goes on where the first one stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate
from torchvision.transforms.v2 import functional

from streamseg.errors import FrameError, SourceError
from streamseg.frame import VOID, Frame
from streamseg.sources import Recording, Skip
from streamseg.text import some
from streamseg.text.terminal import say
from train.data.frame_cache import FrameCache
from train.data.order import Order, part_ends
from train.data.views import Made, View, make
from train.method import Batch

CACHE_SCALE = 2
"""Cached frames have a shorter side of this times the largest view, so that small crops are not blown up."""
TRIES = 20
"""How many other frames are tried when one is broken."""
ENDLESS = 2**40
"""Batches that are as good as without end. Where Lightning finds no length it makes one batch more than it needs."""


class Samples(Dataset):
    """Endless samples over `recordings`; number n belongs to epoch n // len(self).

    views: of a sample, see View. frames: how many a sample has. gap: (low, high) frames between two of them; it is
    drawn for each sample and made smaller where a recording is too short. wide: side of whole frames, 0 = none. lost:
    recordings that could not be opened.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        views: Sequence[View],
        *,
        frames: int = 2,
        gap: tuple[int, int] = (0, 8),
        wide: int = 0,
        labelled: bool = False,
        seed: int = 0,
        pictures: FrameCache,
        annotations: FrameCache | None = None,
        lost: Sequence[Skip] = (),
    ) -> None:
        self.recordings, self.views, self.frames, self.gap = list(recordings), tuple(views), frames, gap
        self.wide, self.labelled, self.seed = wide, labelled, seed
        self.pictures, self.annotations, self.lost = pictures, annotations, tuple(lost)
        lengths = [len(recording) for recording in self.recordings]
        self.first = np.concatenate([[0], np.cumsum(lengths)])
        self.order = Order(part_ends(self.recordings), seed)
        check_count(int(self.first[-1]))

    def __len__(self) -> int:
        return int(self.first[-1])

    def __getitem__(self, number: int) -> tuple:
        rng = np.random.default_rng((self.seed, 1, number))
        problem: FrameError | None = None
        for attempt in range(TRIES):
            try:
                return self._sample(self._chosen(number + attempt * 7919, rng), rng)
            except FrameError as broken:
                problem = broken
                _say_once(str(broken))
        raise SourceError(
            f"{TRIES} frames in a row cannot be read; the last: {problem}", "check the recordings given with --data"
        )

    def describe(self, batch: Batch) -> str:
        """The names of the frames in `batch`, a few of them."""
        names = [
            f"{self.recordings[recording].uri} frame {self.recordings[recording].name_of(frame)}"
            for recording, frame in batch.numbers[:, 0].tolist()
        ]
        return some(names, 4)

    def skipped(self) -> list[str]:
        """Recordings and frames known from the start to be unusable, as "name: reason"."""
        frames = [skip for recording in self.recordings for skip in recording.skipped]
        return [f"{skip.name}: {skip.reason}" for skip in (*self.lost, *frames)]

    def left_out(self) -> list[str]:
        """What people should know of data that is not used, one line each."""
        lost = [f"left out: {skip.name}: {skip.reason}" for skip in self.lost]
        for recording in self.recordings:
            notes = [note for note in recording.notes if note.startswith("left out")]
            if recording.skipped:
                notes.append(f"{len(recording.skipped)} frames cannot be used: {recording.skipped[0].reason}, ...")
            lost += [f"{recording.uri}: {note}" for note in notes]
        return [f"note: {line}" for line in lost]

    def _chosen(self, number: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """(recording, frame) of each frame of the sample."""
        epoch, place = divmod(number, len(self))
        anchor = int(self.order(epoch)[place])
        recording = int(np.searchsorted(self.first, anchor, side="right")) - 1
        length = int(self.first[recording + 1] - self.first[recording])
        start = anchor - int(self.first[recording])
        gap = int(rng.integers(self.gap[0], self.gap[1] + 1))
        gap = min(gap, (length - 1) // max(1, self.frames - 1))
        reach = gap * (self.frames - 1)
        if start + reach >= length:
            start = max(0, length - 1 - reach)
        return [(recording, start + gap * step) for step in range(self.frames)]

    def _sample(self, chosen: list[tuple[int, int]], rng: np.random.Generator) -> tuple:
        pictures = [self.picture(*pair) for pair in chosen]
        masks = [self._mask(*pair, picture) for pair, picture in zip(chosen, pictures)] if self.labelled else []
        made: list[Made] = []
        for view in self.views:
            like = made[view.like] if view.like >= 0 else None
            made.append(make(view, pictures[view.frame], masks[view.frame] if self.labelled else None, rng, like))
        whole = [
            functional.resize(picture, [self.wide, self.wide], antialias=True).float().div_(255)
            for picture in (pictures if self.wide else [])
        ]
        return Batch(
            views=[view.pixels for view in made],
            boxes=[view.box for view in made],
            flips=[view.flip for view in made],
            masks=[view.mask for view in made] if self.labelled else [],
            frames=whole,
            numbers=torch.tensor(chosen),
        )

    def picture(self, recording: int, index: int) -> torch.Tensor:
        """(3, H, W) uint8 RGB. Raises FrameError, which names the frame."""
        source, number = self.recordings[recording], int(self.first[recording]) + index
        try:
            rgb = self.pictures.get(number, lambda: source.reduced(index, self.pictures.side))
        except FrameError as broken:
            raise FrameError(f"{source.uri} frame {source.name_of(index)}: {broken}") from broken
        # no copy of a picture of the cache: the resize reads it as it lies there, planes last, and twice as fast
        return torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy()).permute(2, 0, 1)

    def _mask(self, recording: int, index: int, picture: torch.Tensor) -> torch.Tensor:
        """(H, W) uint8 annotation in the picture's size; VOID everywhere where the frame has none."""
        assert self.annotations is not None
        number = int(self.first[recording]) + index
        mask = self.annotations.get(number, lambda: _annotation(self.recordings[recording][index]))
        size = [int(side) for side in picture.shape[1:]]
        tensor = torch.from_numpy(np.ascontiguousarray(mask[None, :, :, 0]))
        return functional.resize(tensor, size, functional.InterpolationMode.NEAREST)[0]


def check_count(frames: int) -> None:
    """Raise SourceError for fewer than two frames."""
    if frames < 2:
        raise SourceError(
            f"training needs at least two frames; there {'is one' if frames else 'are none'}",
            "give more recordings with --data",
        )


def _annotation(frame: Frame) -> np.ndarray:
    if frame.annotation is None:
        return np.full(frame.rgb.shape[:2], VOID, np.uint8)
    return frame.annotation.astype(np.uint8)


@lru_cache(maxsize=100)
def _say_once(line: str) -> None:
    say(f"skipped: {line}")


class EndlessBatches(Sampler):
    """Batches of sample numbers, without end: batch `start` first; device `rank` of `world` takes its share of each."""

    def __init__(self, batch_size: int, start: int = 0, rank: int = 0, world: int = 1) -> None:
        self.batch_size, self.start, self.rank, self.world = batch_size, start, rank, world

    def __len__(self) -> int:
        return ENDLESS

    def __iter__(self) -> Iterator[list[int]]:
        batch = self.start
        while True:
            first = batch * self.batch_size
            yield list(range(first + self.rank, first + self.batch_size, self.world))
            batch += 1


def loader(samples: Samples, batches: EndlessBatches, workers: int) -> DataLoader:
    """Batches of `samples`; `workers` processes decode and augment ahead of the training."""
    return DataLoader(
        samples,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=default_collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread,
    )


def _one_thread(worker: int) -> None:
    """The training needs the cores; a worker that opens threads of its own takes them away."""
    import cv2

    torch.set_num_threads(1)
    # 0, not 1: with 1 OpenCV waits for the threads of its pool, which a forked process has not got, for ever
    cv2.setNumThreads(0)
