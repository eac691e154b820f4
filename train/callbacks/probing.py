"""Probing during training: the starting backbone first, then the student. One probe chooses best.pt, another one, of
other frames, tells what came out: whoever chooses the luckiest of several checkpoints by some frames cannot learn from
the same frames whether it is better.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from streamseg.features.objectness import foreground_of
from train.callbacks.checkpointing import BEST, KEPT
from train.encoder import Encoder
from train.method import Batch, Method
from train.probes import Features, Result
from train.probes.evaluators import Evaluators
from train.probes.network import with_answer

Log = Callable[[str], None]


def features_of(encoder: Encoder, head: nn.Module | None = None, output: str = "foreground") -> Features:
    """(B, 3, H, W) float32 in [0, 1] -> (B, D, h, w): the features of `encoder` as it would be deployed now; with
    `head` also its answer, as `run` clusters them. output: of the head, see `Backbone.run`."""
    networks: dict[tuple[int, int], nn.Module] = {}

    def features(images: np.ndarray) -> np.ndarray:
        size = (int(images.shape[2]), int(images.shape[3]))
        if size not in networks:
            networks[size] = encoder.deployed(size, head)
        with torch.inference_mode():
            outputs = networks[size](torch.from_numpy(images))
        return with_answer(outputs[0].numpy(), foreground_of({output: outputs[-1].numpy()}) if head else None)

    return features


class Probing(pl.Callback):
    """evaluators: None in processes that are not the first, and where nothing can be judged. top: how many of the best
    checkpoints are kept. What best.pt deploys is chosen when the run ends, see `reports.deploying`: until then it
    deploys what is no worse than the start, also where the run is interrupted, killed, or ends with an error.

    figures: {"frozen": {...}, "best": {...}, "last": {...}} of the probe that chooses, as they become known. report:
    {"frozen", "best"} of the other probe, its scores by name, one a frame. kept: (value of what chooses, step) of the
    best checkpoints, best first.
    """

    def __init__(self, evaluators: Evaluators | None, every: int, folder: Path, say: Log, top: int = 1) -> None:
        self.evaluators, self.every, self.folder, self.say, self.top = evaluators, every, folder, say, top
        self.figures: dict[str, dict[str, float]] = {}
        self.report: dict[str, dict[str, list[float]]] = {}
        self.kept: list[list[float]] = []
        self._probed = -1

    def state_dict(self) -> dict[str, Any]:
        return {"figures": self.figures, "report": self.report, "kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.figures = state["figures"]
        self.report, self.kept = state.get("report", {}), state.get("kept", [])

    def on_train_start(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        assert isinstance(method, Method)
        if "frozen" not in self.figures and self.evaluators:
            features = features_of(method.student, method.student.own_head(), method.student.recipe.head)
            self.figures["frozen"] = self.evaluators(features, features_of(method.student))
            if self.evaluators.report:
                self.report["frozen"] = _listed(self.evaluators.report.result(features))
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
        place, evicted = self._judged(trainer, method, self.evaluators) if self.evaluators else (-1, 0)
        place, evicted = trainer.strategy.broadcast((place, evicted))
        if place >= 0:
            self._save(trainer, method, place, evicted)

    def _judged(self, trainer: pl.Trainer, method: Method, evaluators: Evaluators) -> tuple[int, int]:
        encoder = method.deployed_backbone()
        features = features_of(encoder, method.deployed_head(), method.head_output)
        found = self.figures["last"] = evaluators(features, features_of(encoder))
        self.say(f"step {trainer.global_step}: {_shown(found)}")
        for logger in trainer.loggers:
            logger.log_metrics({f"probe/{name}": value for name, value in found.items()}, trainer.global_step)
        place, evicted = self._placed(found[evaluators.figure], trainer.global_step)
        if place == 0:
            self._best(found, features, evaluators)
        return place, evicted

    def judge_again(self, clustered: Features, features: Features) -> None:
        """Where best.pt has become another network: see `Evaluators`."""
        assert self.evaluators is not None
        self._best(self.evaluators(clustered, features), clustered, self.evaluators)

    def _best(self, found: dict[str, float], clustered: Features, evaluators: Evaluators) -> None:
        self.figures["best"] = found
        if evaluators.report:
            self.report["best"] = _listed(evaluators.report.result(clustered))

    def _placed(self, value: float, step: int) -> tuple[int, int]:
        """Where among the best ones this is, -1 = not; and the step of the one that goes, 0 = none."""
        others = [one for one in self.kept if one[1] != step]
        ranked = sorted([*others, [value, step]], key=lambda one: -one[0])
        self.kept, gone = ranked[: self.top], ranked[self.top :]
        evicted = int(gone[0][1]) if gone else 0
        return (-1, 0) if evicted == step else (self.kept.index([value, step]), evicted)

    def _save(self, trainer: pl.Trainer, method: Method, place: int, evicted: int) -> None:
        if self.top > 1:
            trainer.save_checkpoint(self._file(trainer.global_step))
        if place == 0:
            with method.averaging.deploying(method.safe_share):
                trainer.save_checkpoint(self.folder / BEST)
        if evicted and trainer.is_global_zero:
            self._file(evicted).unlink(missing_ok=True)

    def _file(self, step: int) -> Path:
        return self.folder / KEPT / f"best-{step:06d}.pt"


def _listed(result: Result) -> dict[str, list[float]]:
    return {name: [float(value) for value in scores] for name, scores in result.scores.items()}


def _shown(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
