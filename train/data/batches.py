"""From --data to batches: recordings opened, decoded frames cached, each device's share of every batch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from streamseg.config import ExtractorConfig, ObjectsConfig, SegmenterConfig
from streamseg.errors import StreamsegError
from streamseg.sources import Recording, Skip
from train.data.frame_cache import FrameCache
from train.data.own_objects import with_own_objects
from train.data.recordings import open_recordings
from train.data.samples import CACHE_SCALE, EndlessBatches, Samples, check_count, loader
from train.distributed import is_first, is_first_here, worker_count
from train.method import Batch, Method
from train.settings import Settings


class Data(NamedTuple):
    """What --data names. lost: what of it could not be opened. frames: of all recordings. steps: of the run."""

    recordings: list[Recording]
    lost: list[Skip]
    frames: int
    steps: int


def open_data(settings: Settings, stack: ExitStack) -> Data:
    """Open the recordings of --data; they are closed by `stack`. Raises StreamsegError where they are too few."""
    lost: list[Skip] = []
    recordings = open_recordings(settings.data, lost.append)
    for recording in recordings:
        stack.callback(recording.close)
    count, batch = sum(len(recording) for recording in recordings), settings.samples_per_step
    if batch > count:
        raise StreamsegError(
            f"a batch of {batch} is larger than the data, which has {count} frames",
            f"use --batch-size {max(1, count // settings.accumulate)} at most, or give more recordings",
        )
    check_count(count)
    return Data(recordings, lost, count, settings.steps or settings.epochs * (count // batch))


def open_samples(
    method: Method, data: Data, settings: Settings, output: Path, stack: ExitStack, say: Callable[[str], None]
) -> Samples:
    """The samples that `method` wants of `data`. What has to be closed goes onto `stack`. say: takes a line a time
    about what takes long. Where the method learns objects, they are found first, and written into `output`."""
    recordings, masks, side = data.recordings, method.masks_from(method.options), CACHE_SCALE * settings.size
    if masks == "objects" or settings.cache == "disk":
        output.mkdir(parents=True, exist_ok=True)  # of a process that does not write, too
    if masks == "objects":
        weights = method.student.sha256
        recordings = list(with_own_objects(recordings, _finder(settings), weights, output, is_first(), say))
    # the others of a machine see the frames of its first process
    kept = settings.cache if is_first_here() or sys.platform != "linux" else "none"
    pictures = FrameCache(kept, data.frames, side, 3, output)
    stack.callback(pictures.close)
    annotations = FrameCache(kept, data.frames, side, 1, output) if masks else None
    if annotations:
        stack.callback(annotations.close)
    return Samples(
        recordings,
        method.views(),
        frames=method.frames,
        gap=settings.gap,
        wide=method.wide,
        labelled=bool(masks),
        seed=settings.seed,
        pictures=pictures,
        annotations=annotations,
        lost=data.lost,
    )


def _finder(settings: Settings) -> SegmenterConfig:
    """What finds the objects that a network is to learn: that network itself, with time to be thorough."""
    objects = ObjectsConfig(objects=True, quality="high", seed=settings.seed)
    return SegmenterConfig(extractor=ExtractorConfig(spec=settings.spec), objects=objects)


class Batches(pl.LightningDataModule):
    """The batches of each device, from where the run starts; see `samples.EndlessBatches`."""

    def __init__(self, samples: Samples, settings: Settings, start: int) -> None:
        super().__init__()
        self.samples, self.settings, self.start = samples, settings, start

    def setup(self, stage: str) -> None:
        """See the decoded frames of this machine's first process."""
        trainer = self.trainer
        assert trainer is not None
        if trainer.world_size == 1 or self.settings.cache == "none":
            return
        caches = [cache for cache in (self.samples.pictures, self.samples.annotations) if cache]
        mine = (trainer.node_rank, trainer.local_rank, [cache.shared for cache in caches])
        everyone: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(everyone, mine)
        if trainer.local_rank:
            first = next(shared for node, rank, shared in everyone if (node, rank) == (trainer.node_rank, 0))
            try:
                for cache, other in zip(caches, first, strict=True):
                    if other[0]:
                        cache.attach(other)
            except OSError as problem:
                raise StreamsegError(
                    f"the decoded frames of this machine's first process cannot be opened: {problem.strerror}",
                    "use --cache none",
                ) from problem
        torch.distributed.barrier()

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        said = self.settings
        numbers = EndlessBatches(
            said.batch_size, self.start * said.accumulate, self.trainer.global_rank, self.trainer.world_size
        )
        return loader(self.samples, numbers, worker_count(said.workers))

    def draws(self) -> Iterator[Batch]:
        """The run's batches from its first one, for `Method.begin`: the same on every device."""
        return iter(loader(self.samples, EndlessBatches(self.settings.batch_size), 0))
