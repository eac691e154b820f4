"""Two gloo processes of Lightning on shards: each frame once an epoch, and the same batches after a restart.

    python tests/benchmarks/shards_ddp.py [--epochs 2] [--workers 1]

The script packs samples/tabletop and crops of it, runs whole epochs with DDP on two processes of the CPU without
training anything, restarts in the middle, and prints which frames were read. It exits with 1 if a frame came twice, not
at all, or in another batch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import pytorch_lightning as pl
import torch
import torch.distributed

from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from train.data.frame_cache import FrameCache
from train.data.recordings import open_recordings
from train.data.samples import EndlessBatches, Samples, loader
from train.data.views import two_views

ROOT = Path(__file__).resolve().parents[2]
BATCH = 8


class Watcher(pl.LightningModule):
    """A model with one parameter, which records the frames of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[list[tuple[int, ...]]] = []

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        self.seen.append([tuple(pair) for pair in batch.numbers[:, 0].tolist()])
        return (self.weight * batch.views[0].mean()).sum()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


class Data(pl.LightningDataModule):
    def __init__(self, samples: Samples, start: int, workers: int) -> None:
        super().__init__()
        self.samples, self.start, self.workers = samples, start, workers

    def train_dataloader(self) -> Any:
        assert self.trainer is not None
        numbers = EndlessBatches(BATCH, self.start, self.trainer.global_rank, self.trainer.world_size)
        return loader(self.samples, numbers, self.workers)


def steps(samples: Samples, start: int, count: int, workers: int) -> list[list[tuple[int, ...]]]:
    """The frames that all ranks together got in `count` steps from `start`."""
    watcher = Watcher()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_steps=count,
        use_distributed_sampler=False,
        enable_model_summary=False,
        **quiet,  # type: ignore[arg-type]
    )
    trainer.fit(watcher, Data(samples, start, workers))
    gathered: list[Any] = [None, None]
    torch.distributed.all_gather_object(gathered, watcher.seen)
    return [sorted(first + second) for first, second in zip(*gathered, strict=True)]


def packed(folder: Path) -> Path:
    """Nine recordings of 16 frames, three in a shard; written by the first process alone."""
    if "LOCAL_RANK" not in os.environ:
        for number in range(9):
            (folder / "many" / f"r{number}").mkdir(parents=True)
            for path in sorted((ROOT / "samples" / "tabletop" / "rgb").iterdir())[:16]:
                picture = cv2.imread(str(path))[number * 20 : number * 20 + 200, :300]
                cv2.imwrite(str(folder / "many" / f"r{number}" / path.name), picture)
        pack([str(folder / "many")], folder / "shards", PackOptions(side=64), per_shard=3, workers=1)
    return folder / "shards"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.folder is None:
        asked.folder = Path(tempfile.mkdtemp())
        sys.argv += ["--folder", str(asked.folder)]  # Lightning starts the second process with these words
    recordings = open_recordings([f"shards:{packed(asked.folder)}"])
    count = sum(len(recording) for recording in recordings)
    samples = Samples(recordings, two_views(32), gap=(0, 0), pictures=FrameCache("none", count, 64))
    of_epoch = count // BATCH
    seen = steps(samples, 0, asked.epochs * of_epoch, asked.workers)
    again = steps(samples, of_epoch // 2, of_epoch, asked.workers)
    epochs = [seen[at * of_epoch : (at + 1) * of_epoch] for at in range(asked.epochs)]
    once = [Counter(frame for step in epoch for frame in step) for epoch in epochs]
    report = {
        "frames": count,
        "steps_an_epoch": of_epoch,
        "seen_once": [sum(times == 1 for times in counts.values()) for counts in once],
        "seen_twice": [sum(times > 1 for times in counts.values()) for counts in once],
        "orders_differ": epochs[0] != epochs[-1],
        "resumed_the_same": again == seen[of_epoch // 2 : of_epoch // 2 + of_epoch],
    }
    whole = all(one == count for one in report["seen_once"]) and report["resumed_the_same"]  # type: ignore[attr-defined]
    if torch.distributed.get_rank() == 0:
        print(json.dumps(report, indent=2), flush=True)
    torch.distributed.barrier()
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
