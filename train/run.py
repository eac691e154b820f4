"""A training run from settings to checkpoints: data, method, Lightning's loop, and the summary."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import move_data_to_device

from streamseg.backbones import Spec, checkpoint
from streamseg.errors import OutputError
from streamseg.files import written
from train.callbacks.checkpointing import BEST, LAST, CheckpointFile, Checkpointing
from train.callbacks.display import Display
from train.callbacks.monitoring import HealthMonitor, Table
from train.callbacks.probing import Probing, verdict
from train.data.batches import Batches, open_samples
from train.data.recordings import open_recordings
from train.description import checkpoint_header, config, opening_line
from train.distributed import is_first, trainer_devices
from train.encoder import Encoder, open_encoder
from train.method import Method
from train.probes.dense import DenseProbe
from train.settings import Settings
from train.sync_norm import synchronize

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
PROBED_FRAMES = 24


def run(
    name: str, kind: type[Method], settings: Settings, options: Any, output: Path, resume: bool, display: Display
) -> dict[str, Any]:
    """Train method `name`; returns the summary. Raises StreamsegError; what was written before stays whole.

    output: folder of last.pt, best.pt, metrics.csv, run.json and TensorBoard's events. resume: go on from its last.pt.
    """
    _quiet_libraries()
    last = _checked(output, resume)
    start = int(checkpoint.read(last)["training"]["global_step"]) if last else 0
    hardware = trainer_devices(settings)
    with contextlib.ExitStack() as stack:
        torch.manual_seed(settings.seed)
        encoder = _encoder(settings)
        samples, total = open_samples(kind, settings, output, stack, display.say)
        method = kind(encoder, options, settings, total)
        samples.views, samples.wide, samples.frames = method.views(), method.wide, method.frames
        probing = _probing(settings, total, output, display.say)
        output.mkdir(parents=True, exist_ok=True)  # what the command line got wrong is known by now
        table = Table(output / "metrics.csv", start, write=is_first())
        checkpointing = Checkpointing(output, settings.save_every)
        monitor = HealthMonitor(display.say, samples.describe, output)
        callbacks = [monitor, checkpointing, *([probing] if probing else []), table, display]
        trainer = _trainer(
            hardware, settings, total, start, output, callbacks, checkpoint_header(name, method, settings, options)
        )
        display.say(opening_line(name, encoder, samples, settings, total, trainer))
        with checkpointing.interruptible(trainer):
            seconds = _fit(trainer, method, Batches(samples, settings, start), last)
        result = {
            "verdict": verdict(probing.figures if probing else {}),
            "method": name,
            "status": "interrupted" if checkpointing.interrupted else "done",
            "steps": trainer.global_step,
            "loss": table.summary(),
            "samples_per_second": (trainer.global_step - start) * settings.samples_per_step / seconds,
            "probe": probing.figures if probing else {},
            "checkpoints": {file[:-3]: str(output / file) for file in (BEST, LAST) if (output / file).exists()},
            "config": config(settings, options),
            "backbone": encoder.recipe.name,
            "init_sha256": encoder.sha256,
            "skipped": samples.skipped(),
        }
        if trainer.is_global_zero:
            _write_json(output / "run.json", result)
        # as a reader of run.json gets it: tuples are lists there
        return json.loads(json.dumps(result))


def _fit(trainer: pl.Trainer, method: Method, data: Batches, last: Path | None) -> float:
    """Train; returns the seconds it took."""
    if trainer.world_size > 1:
        synchronize(method)
    method.batches = lambda: (move_data_to_device(batch, method.device) for batch in data.draws())
    method.fresh = last is None
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers, logging and resuming is followed already
        trainer.fit(method, data, ckpt_path=str(last) if last else None)
    return max(time.perf_counter() - began, 1e-9)


def _checked(output: Path, resume: bool) -> Path | None:
    """The checkpoint to go on from, or None. Raises OutputError rather than write over an older run."""
    last = output / LAST
    if resume:
        if not last.is_file():
            raise OutputError(f"there is no {LAST} in {str(output)!r} to go on from", "leave --resume out")
        return last
    if not is_first():
        return None  # the first process has looked, and has begun to write
    if last.exists() or (output / "metrics.csv").exists():
        raise OutputError(f"{str(output)!r} holds a run already", "give another -o, or go on with it: --resume")
    probe = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    if not probe.is_dir() or not os.access(probe, os.W_OK):
        raise OutputError(f"{str(output)!r} cannot be written", "give a folder you may write to with -o")
    return None


def _encoder(settings: Settings) -> Encoder:
    weights = "" if settings.init in ("imagenet", "none") else settings.init
    spec = Spec(settings.backbone, weights, settings.layers, settings.facet)
    encoder = open_encoder(spec, settings.init != "none", settings.norms == "frozen")
    if settings.frozen_stages:
        encoder.freeze(settings.frozen_stages)
    return encoder


def _probing(settings: Settings, total: int, output: Path, say: Callable[[str], None]) -> Probing | None:
    if not settings.val:
        return None
    recordings = open_recordings(settings.val)
    probe = DenseProbe(recordings, settings.size, PROBED_FRAMES, settings.seed)
    return Probing(probe, settings.probe_every or max(1, total // 5), output, say)


def _trainer(
    hardware: dict[str, Any],
    settings: Settings,
    total: int,
    start: int,
    output: Path,
    callbacks: list[pl.Callback],
    about: dict[str, Any],
) -> pl.Trainer:
    return pl.Trainer(
        **hardware,
        precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
        max_steps=total,
        accumulate_grad_batches=settings.accumulate,
        callbacks=callbacks,
        plugins=[CheckpointFile(about)],
        logger=TensorBoardLogger(str(output), name="", version="", purge_step=start or None),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with written(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _quiet_libraries() -> None:
    """Lightning's notes about devices and its own tips are not ours."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
