"""The dense probe during training: the starting backbone first, then the student; the best checkpoint is its choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from train.callbacks.checkpointing import BEST
from train.encoder import Encoder
from train.method import Batch, Method
from train.probes.dense import DenseProbe

FIGURE = "iou_union"
"""What checkpoints are compared by: of the three it changes least with the seed of the clustering."""


def features_of(encoder: Encoder) -> Callable[[np.ndarray], np.ndarray]:
    """(B, 3, H, W) float32 in [0, 1] -> features (B, D, h, w) of `encoder` as it would be deployed now."""
    networks: dict[tuple[int, int], torch.nn.Module] = {}

    def features(images: np.ndarray) -> np.ndarray:
        size = (int(images.shape[2]), int(images.shape[3]))
        if size not in networks:
            networks[size] = encoder.deployed(size)
        with torch.inference_mode():
            found: np.ndarray = networks[size](torch.from_numpy(images))[0].numpy()
        return found

    return features


class Probing(pl.Callback):
    """figures: {"frozen": {...}, "best": {...}, "last": {...}} as they become known."""

    def __init__(self, probe: DenseProbe, every: int, folder: Path, say: Callable[[str], None]) -> None:
        self.probe, self.every, self.folder, self.say = probe, every, folder, say
        self.figures: dict[str, dict[str, float]] = {}
        self._probed = -1

    def state_dict(self) -> dict[str, Any]:
        return {"figures": self.figures}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.figures = state["figures"]

    def on_train_start(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        assert isinstance(method, Method)
        if "frozen" not in self.figures and trainer.is_global_zero:
            self.figures["frozen"] = self.probe(features_of(method.backbone()))
            self.say(f"before training: {_shown(self.figures['frozen'])}")

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            self._probe(trainer, method)

    def on_train_end(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        self._probe(trainer, method)

    def _probe(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        assert isinstance(method, Method)
        if trainer.global_step == self._probed:
            return
        self._probed = trainer.global_step
        better = False
        if trainer.is_global_zero:
            found = self.figures["last"] = self.probe(features_of(method.backbone()))
            better = found[FIGURE] > self.figures.get("best", {}).get(FIGURE, -1.0)
            self.say(f"step {trainer.global_step}: {_shown(found)}")
            if better:
                self.figures["best"] = found
        if trainer.strategy.broadcast(better):
            trainer.save_checkpoint(self.folder / BEST)


def _shown(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def verdict(figures: dict[str, dict[str, float]]) -> str:
    """The first line of a summary: did it help, by the dense probe?"""
    if "frozen" not in figures or "best" not in figures:
        return "no probe: give annotated recordings with --val to learn whether training helps"
    before, best, last = (figures[name][FIGURE] for name in ("frozen", "best", "last"))
    if best <= before:
        return f"training made things worse: IoU {best:.3f} at best, {before:.3f} before; keep the starting backbone"
    tail = "" if last >= best - 0.005 else f" (the last one has fallen to {last:.3f}; best.pt is the one to use)"
    return f"training helped: IoU {best:.3f}, {before:.3f} before{tail}"
