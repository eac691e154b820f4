"""Probes during training: first of the starting network, then of the student every few steps.

One probe chooses best.pt. Another probe, on other frames, measures the result: on the frames that chose the best of
several checkpoints, its score would be biased upwards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from streamseg.backbones.checkpoint import BEST
from streamseg.features.objectness import foreground_of
from train.callbacks.checkpointing import CHECKPOINTS
from train.encoder import Encoder
from train.method import Batch, Method
from train.probes import FeatureFunction, Result
from train.probes.evaluators import Evaluators
from train.probes.network import with_head_output

Log = Callable[[str], None]


def features_of(encoder: Encoder, head: nn.Module | None = None, output: str = "foreground") -> FeatureFunction:
    """Return a function that computes the features which `encoder` would have if it were deployed now.

    (B, 3, H, W) float32 in [0, 1] -> (B, D, h, w). With `head`, its output is one more channel, as in the clustering of
    `run`. output: name of the head's output, see `Backbone.run`.
    """
    networks: dict[tuple[int, int], nn.Module] = {}

    def features(images: np.ndarray) -> np.ndarray:
        size = (int(images.shape[2]), int(images.shape[3]))
        if size not in networks:
            networks[size] = encoder.inference_copy(size, head)
        with torch.inference_mode():
            outputs = networks[size](torch.from_numpy(images))
        return with_head_output(outputs[0].numpy(), foreground_of({output: outputs[-1].numpy()}) if head else None)

    return features


class Probing(pl.Callback):
    """Probes the network during a run, keeps the best checkpoints, and writes best.pt.

    best.pt gets its final weights at the end of the run, see `reports.deploying`. Until then, and also if the run is
    interrupted, killed or fails, it contains weights that are no worse than the starting weights.

    evaluators: None in processes of other ranks, or if nothing can be measured. every: steps between probes. keep:
    number of best checkpoints to keep.
    figures: of the probe that chooses, for "frozen" (the starting network), "best" and "last", as far as they are
    known.
    result_scores: scores of the other probe by name, one for each frame, for "frozen" and "best".
    best_checkpoints: [figure that chooses, step] of the best checkpoints, the best one first.
    """

    def __init__(self, evaluators: Evaluators | None, every: int, folder: Path, say: Log, keep: int = 1) -> None:
        self.evaluators, self.every, self.folder, self.say, self.keep = evaluators, every, folder, say, keep
        self.figures: dict[str, dict[str, float]] = {}
        self.result_scores: dict[str, dict[str, list[float]]] = {}
        self.best_checkpoints: list[list[float]] = []
        self._last_probed_step = -1

    def state_dict(self) -> dict[str, Any]:
        return {"figures": self.figures, "report": self.result_scores, "kept": self.best_checkpoints}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.figures = state["figures"]
        self.result_scores, self.best_checkpoints = state.get("report", {}), state.get("kept", [])

    def on_train_start(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        assert isinstance(method, Method)
        if "frozen" not in self.figures and self.evaluators:
            features = features_of(method.student, method.student.starting_head(), method.student.recipe.head)
            self.figures["frozen"] = self.evaluators(features, features_of(method.student))
            if self.evaluators.result_probe:
                self.result_scores["frozen"] = _score_lists(self.evaluators.result_probe.result(features))
            self.say(f"before training: {_format_figures(self.figures['frozen'])}")

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            self._probe(trainer, method)

    def on_train_end(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        self._probe(trainer, method)

    def _probe(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        """Measure the network once in a step, and save its checkpoint if it is among the best ones.

        All processes take part, because saving a checkpoint is a collective operation.
        """
        assert isinstance(method, Method)
        if trainer.global_step == self._last_probed_step:
            return
        self._last_probed_step = trainer.global_step
        rank, evicted = self._evaluate(trainer, method, self.evaluators) if self.evaluators else (-1, 0)
        rank, evicted = trainer.strategy.broadcast((rank, evicted))
        if rank >= 0:
            self._save(trainer, method, rank, evicted)

    def _evaluate(self, trainer: pl.Trainer, method: Method, evaluators: Evaluators) -> tuple[int, int]:
        """Measure the deployed network; return the result of `_rank`."""
        encoder = method.deployed_backbone()
        features = features_of(encoder, method.deployed_head(), method.head_output)
        figures = self.figures["last"] = evaluators(features, features_of(encoder))
        self.say(f"step {trainer.global_step}: {_format_figures(figures)}")
        for logger in trainer.loggers:
            logger.log_metrics({f"probe/{name}": value for name, value in figures.items()}, trainer.global_step)
        rank, evicted = self._rank(figures[evaluators.figure], trainer.global_step)
        if rank == 0:
            self._record_best(figures, features, evaluators)
        return rank, evicted

    def evaluate_again(self, clustered: FeatureFunction, features: FeatureFunction) -> None:
        """Measure best.pt again after its weights have changed. clustered, features: see `Evaluators`."""
        assert self.evaluators is not None
        self._record_best(self.evaluators(clustered, features), clustered, self.evaluators)

    def _record_best(self, figures: dict[str, float], clustered: FeatureFunction, evaluators: Evaluators) -> None:
        self.figures["best"] = figures
        if evaluators.result_probe:
            self.result_scores["best"] = _score_lists(evaluators.result_probe.result(clustered))

    def _rank(self, value: float, step: int) -> tuple[int, int]:
        """Insert `value` into the best checkpoints; return its rank and the step to evict.

        The rank is 0 for the best and -1 if it is not among them. The step is 0 if none is evicted.
        """
        others = [entry for entry in self.best_checkpoints if entry[1] != step]
        ranked = sorted([*others, [value, step]], key=lambda entry: -entry[0])
        self.best_checkpoints, dropped = ranked[: self.keep], ranked[self.keep :]
        evicted = int(dropped[0][1]) if dropped else 0
        return (-1, 0) if evicted == step else (self.best_checkpoints.index([value, step]), evicted)

    def _save(self, trainer: pl.Trainer, method: Method, rank: int, evicted: int) -> None:
        if self.keep > 1:
            trainer.save_checkpoint(self._file(trainer.global_step))
        if rank == 0:
            with method.averaging.deploying(method.share_before_choice):
                trainer.save_checkpoint(self.folder / BEST)
        if evicted and trainer.is_global_zero:
            self._file(evicted).unlink(missing_ok=True)

    def _file(self, step: int) -> Path:
        return self.folder / CHECKPOINTS / f"best-{step:06d}.pt"


def _score_lists(result: Result) -> dict[str, list[float]]:
    return {name: [float(value) for value in scores] for name, scores in result.scores.items()}


def _format_figures(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
