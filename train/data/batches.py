"""From --data to batches: opens the recordings, caches decoded frames, distributes batches over devices."""

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
from train.distributed import is_local_rank_zero, is_rank_zero, worker_count
from train.method import Batch, Method
from train.presets import BATCH_SIZE
from train.settings import Settings


class Data(NamedTuple):
    """The recordings of --data.

    lost: sources that could not be opened. frames: number of frames in all recordings. batch_size: pairs per step, on
    all devices together. steps: optimizer steps of the run.
    """

    recordings: list[Recording]
    lost: list[Skip]
    frames: int
    batch_size: int
    steps: int


def open_data(settings: Settings, stack: ExitStack, devices: int = 1) -> Data:
    """Open the recordings of --data, which `stack` closes, and choose the batch size if it is auto: a multiple of the
    number of `devices`. Raises StreamsegError for fewer frames than a batch."""
    lost: list[Skip] = []
    recordings = open_recordings(settings.data, lost.append)
    for recording in recordings:
        stack.callback(recording.close)
    count = sum(len(recording) for recording in recordings)
    check_count(count)
    # one pair per frame at most, but one per device at least
    fitting = max(devices, min(BATCH_SIZE, count // settings.accumulate) // devices * devices)
    batch_size = settings.batch_size or fitting
    per_step = batch_size * settings.accumulate
    if per_step > count:
        raise StreamsegError(
            f"a batch of {per_step} is larger than the data, which has {count} frames",
            f"use --batch-size {max(1, count // settings.accumulate)} at most, or give more recordings",
        )
    return Data(recordings, lost, count, batch_size, settings.steps or settings.epochs * (count // per_step))


def open_samples(
    method: Method, data: Data, settings: Settings, output: Path, stack: ExitStack, say: Callable[[str], None]
) -> Samples:
    """Return the samples of `data` that `method` needs.

    If the method learns from objects, they are first found and written to `output`. say: prints a line about work that
    takes long. stack: closes what this function opens.
    """
    recordings, masks, side = data.recordings, method.mask_source(method.options), CACHE_SCALE * settings.size
    if masks == "objects" or settings.cache == "disk":
        output.mkdir(parents=True, exist_ok=True)  # processes of other ranks need it before rank 0 has made it
    if masks == "objects":
        weights = method.student.sha256
        recordings = list(with_own_objects(recordings, _object_finder(settings), weights, output, is_rank_zero(), say))
    # on Linux the other processes of a machine attach to the cache of its first process, see `Batches.setup`
    cache = settings.cache if is_local_rank_zero() or sys.platform != "linux" else "none"
    pictures = FrameCache(cache, data.frames, side, 3, output)
    stack.callback(pictures.close)
    annotations = FrameCache(cache, data.frames, side, 1, output) if masks else None
    if annotations:
        stack.callback(annotations.close)
    return Samples(
        recordings,
        method.views(),
        frames=method.frames_per_sample,
        gap=settings.gap,
        whole_frame_size=method.whole_frame_size,
        labelled=bool(masks),
        seed=settings.seed,
        pictures=pictures,
        annotations=annotations,
        lost=data.lost,
    )


def _object_finder(settings: Settings) -> SegmenterConfig:
    """Return the configuration that finds the objects to learn: the starting network itself, with --quality high."""
    objects = ObjectsConfig(objects=True, quality="high", seed=settings.seed)
    return SegmenterConfig(extractor=ExtractorConfig(spec=settings.spec), objects=objects)


class Batches(pl.LightningDataModule):
    """The batches of this device, from step `start` on. See `train.data.samples.EndlessBatches`."""

    def __init__(self, samples: Samples, settings: Settings, start: int) -> None:
        super().__init__()
        self.samples, self.settings, self.start = samples, settings, start

    def setup(self, stage: str) -> None:
        """Attach the frame caches of this process to those of the machine's first process."""
        trainer = self.trainer
        assert trainer is not None
        if trainer.world_size == 1 or self.settings.cache == "none":
            return
        caches = [cache for cache in (self.samples.pictures, self.samples.annotations) if cache]
        own = (trainer.node_rank, trainer.local_rank, [cache.shared for cache in caches])
        gathered: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(gathered, own)
        if trainer.local_rank:
            first = next(shared for node, rank, shared in gathered if (node, rank) == (trainer.node_rank, 0))
            try:
                for cache, shared in zip(caches, first, strict=True):
                    if shared[0]:
                        cache.attach(shared)
            except OSError as problem:
                raise StreamsegError(
                    f"the decoded frames of this machine's first process cannot be opened: {problem.strerror}",
                    "use --cache none",
                ) from problem
        torch.distributed.barrier()

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        settings = self.settings
        batches = EndlessBatches(
            settings.batch_size, self.start * settings.accumulate, self.trainer.global_rank, self.trainer.world_size
        )
        return loader(self.samples, batches, worker_count(settings.workers))

    def from_start(self) -> Iterator[Batch]:
        """Return the batches of the run from its first one, for `Method.begin`. They are the same on every device."""
        return iter(loader(self.samples, EndlessBatches(self.settings.batch_size), 0))
