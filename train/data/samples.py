"""Training samples: the frames t, t + d, t + 2d ... of one recording, and augmented views of them.

The seed and the number n of a sample determine everything about it: its frames, crops and colours. Therefore the data
does not depend on the number of workers, and a resumed run continues with the same samples.
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
from streamseg.text import first_few
from streamseg.text.terminal import print_stderr
from train.data.frame_cache import FrameCache
from train.data.order import Order, part_ends
from train.data.views import AugmentedView, View, make_view
from train.method import Batch

CACHE_SCALE = 2
"""Shorter side of a cached frame, relative to the largest view, so that small crops are not enlarged."""
MAX_ATTEMPTS = 20
"""Number of frames that are tried before the run fails because of unreadable frames."""
BATCH_COUNT = 2**40
"""More batches than a run has. Without a length, Lightning would prepare one batch more than it needs."""


class Samples(Dataset):
    """An endless data set of samples of `recordings`. Sample n belongs to epoch n // len(self).

    views: the views of a sample. frames: number of frames in a sample. gap: (low, high) distance between successive
    frames; it is drawn for each sample, and reduced if the recording is too short. whole_frame_size: side of the whole
    frames in pixels, 0 = none. labelled: whether samples have masks. pictures, annotations: caches of decoded frames
    and masks. lost: recordings that could not be opened.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        views: Sequence[View],
        *,
        frames: int = 2,
        gap: tuple[int, int] = (0, 8),
        whole_frame_size: int = 0,
        labelled: bool = False,
        seed: int = 0,
        pictures: FrameCache,
        annotations: FrameCache | None = None,
        lost: Sequence[Skip] = (),
    ) -> None:
        self.recordings, self.views, self.frames, self.gap = list(recordings), tuple(views), frames, gap
        self.whole_frame_size, self.labelled, self.seed = whole_frame_size, labelled, seed
        self.pictures, self.annotations, self.lost = pictures, annotations, tuple(lost)
        lengths = [len(recording) for recording in self.recordings]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self.order = Order(part_ends(self.recordings), seed)
        check_count(int(self._starts[-1]))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, number: int) -> tuple:
        rng = np.random.default_rng((self.seed, 1, number))
        problem: FrameError | None = None
        for attempt in range(MAX_ATTEMPTS):
            try:
                # the distance between attempts is a prime, so that they do not meet the same frames again
                return self._sample(self._draw_frames(number + attempt * 7919, rng), rng)
            except FrameError as error:
                problem = error
                _say_once(str(error))
        raise SourceError(
            f"{MAX_ATTEMPTS} frames in a row cannot be read; the last: {problem}",
            "check the recordings given with --data",
        )

    def describe(self, batch: Batch) -> str:
        """Return the names of some of the frames in `batch`."""
        names = [
            f"{self.recordings[recording].uri} frame {self.recordings[recording].name_of(frame)}"
            for recording, frame in batch.frame_ids[:, 0].tolist()
        ]
        return first_few(names, 4)

    def skipped(self) -> list[str]:
        """Return the recordings and frames that are known to be unusable before training, as "name: reason"."""
        frames = [skip for recording in self.recordings for skip in recording.skipped]
        return [f"{skip.name}: {skip.reason}" for skip in (*self.lost, *frames)]

    def left_out(self) -> list[str]:
        """Return one note for the user about each recording that is not used, or not fully used."""
        lines = [f"left out: {skip.name}: {skip.reason}" for skip in self.lost]
        for recording in self.recordings:
            notes = [note for note in recording.notes if note.startswith("left out")]
            if recording.skipped:
                notes.append(f"{len(recording.skipped)} frames cannot be used: {recording.skipped[0].reason}, ...")
            lines += [f"{recording.uri}: {note}" for note in notes]
        return [f"note: {line}" for line in lines]

    def _draw_frames(self, number: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Return (index of the recording, index of the frame) for each frame of sample `number`."""
        epoch, position = divmod(number, len(self))
        anchor = int(self.order(epoch)[position])
        recording = int(np.searchsorted(self._starts, anchor, side="right")) - 1
        length = int(self._starts[recording + 1] - self._starts[recording])
        start = anchor - int(self._starts[recording])
        gap = int(rng.integers(self.gap[0], self.gap[1] + 1))
        gap = min(gap, (length - 1) // max(1, self.frames - 1))
        reach = gap * (self.frames - 1)
        if start + reach >= length:
            start = max(0, length - 1 - reach)
        return [(recording, start + gap * step) for step in range(self.frames)]

    def _sample(self, frame_ids: list[tuple[int, int]], rng: np.random.Generator) -> tuple:
        """Return the sample of these frames as a `Batch` without the batch axis."""
        pictures = [self.picture(*frame_id) for frame_id in frame_ids]
        masks = [self._mask(*pair, picture) for pair, picture in zip(frame_ids, pictures)] if self.labelled else []
        augmented: list[AugmentedView] = []
        for view in self.views:
            crop = augmented[view.same_crop_as] if view.same_crop_as >= 0 else None
            mask = masks[view.frame] if self.labelled else None
            augmented.append(make_view(view, pictures[view.frame], mask, rng, crop))
        whole = [
            functional.resize(picture, [self.whole_frame_size, self.whole_frame_size], antialias=True).float().div_(255)
            for picture in (pictures if self.whole_frame_size else [])
        ]
        return Batch(
            views=[view.pixels for view in augmented],
            boxes=[view.box for view in augmented],
            flips=[view.flip for view in augmented],
            masks=[view.mask for view in augmented] if self.labelled else [],
            whole_frames=whole,
            frame_ids=torch.tensor(frame_ids),
        )

    def picture(self, recording: int, index: int) -> torch.Tensor:
        """Return (3, H, W) uint8 RGB. Raises FrameError, which names the frame."""
        source, number = self.recordings[recording], int(self._starts[recording]) + index
        try:
            rgb = self.pictures.get(number, lambda: source.reduced(index, self.pictures.side))
        except FrameError as error:
            raise FrameError(f"{source.uri} frame {source.name_of(index)}: {error}") from error
        # a cached picture is not copied: torchvision resizes it with channels last, which is twice as fast
        return torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy()).permute(2, 0, 1)

    def _mask(self, recording: int, index: int, picture: torch.Tensor) -> torch.Tensor:
        """Return the (H, W) uint8 annotation in the size of the picture; VOID everywhere if the frame has none.

        Raises FrameError, which names the frame.
        """
        assert self.annotations is not None
        number = int(self._starts[recording]) + index
        source = self.recordings[recording]
        try:
            mask = self.annotations.get(number, lambda: _annotation(source[index]))
        except FrameError as error:
            raise FrameError(f"{source.uri} frame {source.name_of(index)}: {error}") from error
        size = [int(side) for side in picture.shape[1:]]
        tensor = torch.from_numpy(np.ascontiguousarray(mask[None, :, :, 0]))
        return functional.resize(tensor, size, functional.InterpolationMode.NEAREST)[0]


def check_count(frames: int) -> None:
    """Raise SourceError if there are fewer than two frames."""
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
    print_stderr(f"skipped: {line}")


class EndlessBatches(Sampler):
    """Yields batches of sample numbers without end, from batch `start` on. Rank r of `world` processes gets the numbers
    r, r + world, r + 2 * world ... of each batch."""

    def __init__(self, batch_size: int, start: int = 0, rank: int = 0, world: int = 1) -> None:
        self.batch_size, self.start, self.rank, self.world = batch_size, start, rank, world

    def __len__(self) -> int:
        return BATCH_COUNT

    def __iter__(self) -> Iterator[list[int]]:
        batch = self.start
        while True:
            first = batch * self.batch_size
            yield list(range(first + self.rank, first + self.batch_size, self.world))
            batch += 1


def loader(samples: Samples, batches: EndlessBatches, workers: int) -> DataLoader:
    """Return a loader of `batches` of samples. `workers` processes decode and augment frames in advance."""
    return DataLoader(
        samples,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=default_collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread,
    )


def _one_thread(worker: int) -> None:
    """Restrict a worker process to one thread, because the training needs the cores."""
    import cv2

    torch.set_num_threads(1)
    # with 1, OpenCV in a forked process waits forever for the threads of its pool; 0 disables the pool
    cv2.setNumThreads(0)
