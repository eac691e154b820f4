"""A training run: opens the data, makes the method, runs Lightning's loop, and writes the summary."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import move_data_to_device

from streamseg.backbones import checkpoint
from streamseg.backbones.checkpoint import BEST, LAST
from streamseg.errors import ModelError, SourceError, StreamsegError
from streamseg.files import MANIFEST
from train.callbacks.checkpointing import CheckpointFile, Checkpointing
from train.callbacks.deferred import read_interval
from train.callbacks.display import Display
from train.callbacks.monitoring import HealthMonitor, MetricsTable
from train.callbacks.probing import Probing
from train.data.batches import Batches, Data, open_data, open_samples
from train.data.fingerprint import fingerprint
from train.data.samples import Samples
from train.description import checkpoint_header, config, flat, ineffective_flags, opening_line, write_json
from train.distributed import is_rank_zero, trainer_devices
from train.encoder import Encoder, open_encoder
from train.folder import TABLE, RunFolder, checkpoint_to_resume, reserved
from train.method import Method
from train.presets import frozen_stages, resolved
from train.probes.evaluators import HeldOut, open_evaluators, open_held_out
from train.reports import deploying, loggers, outcome
from train.reports.verdict import verdict
from train.settings import Settings
from train.sync_norm import synchronize

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""Lightning's name of each precision."""


def run(
    name: str, method_class: type[Method], settings: Settings, options: Any, folder: RunFolder, display: Display
) -> dict[str, Any]:
    """Train method `name` and return the summary that is written to run.json ({} in processes of other ranks). Raises
    StreamsegError; the files in `folder` that were written before the error remain complete."""
    _quiet_libraries()
    loggers.check(settings.logger)
    output, last_checkpoint = folder.path, checkpoint_to_resume(folder, is_rank_zero())
    steps_done = int(checkpoint.read(last_checkpoint)["training"]["global_step"]) if last_checkpoint else 0
    hardware = trainer_devices(settings)
    with contextlib.ExitStack() as stack:
        torch.manual_seed(settings.seed)
        encoder = _encoder(resolved(settings))
        data = open_data(settings, stack, hardware["devices"] * hardware["num_nodes"])
        settings = resolved(replace(settings, batch_size=data.batch_size))
        data_sha256 = _checked_fingerprint(data, encoder, last_checkpoint, steps_done)
        method = method_class(encoder, options, settings, data.steps)
        held_out = open_held_out(settings, data.recordings, display.say) if is_rank_zero() else None
        for line in ineffective_flags(method):
            display.say(line)
        # only now, when the flags are known to be valid, an older run may be replaced
        stack.enter_context(reserved(folder, is_rank_zero()))
        samples = open_samples(method, data, settings, output, stack, display.say)
        probing = _probing(held_out, settings, samples, data.steps, output, display.say)
        table = MetricsTable(output / TABLE, steps_done, write=is_rank_zero())
        checkpointing = Checkpointing(output, settings.save_every, settings.save_period)
        callbacks = [HealthMonitor(display.say, samples.describe, output), table, checkpointing, probing, display]
        run_loggers = stack.enter_context(
            loggers.open_loggers(settings.logger, output, steps_done, flat(settings, options), is_rank_zero())
        )
        checkpoint_io = CheckpointFile(checkpoint_header(name, method, settings, options, data_sha256))
        trainer = _trainer(hardware, settings, data.steps, run_loggers, list(filter(None, callbacks)), checkpoint_io)
        for line in (*samples.left_out(), opening_line(name, encoder, samples, settings, data.steps, trainer)):
            display.say(line)
        with checkpointing.interruptible(trainer):
            seconds = _fit(trainer, method, Batches(samples, settings, steps_done), last_checkpoint)
        if not trainer.is_global_zero:
            return {}
        result = {
            **_evaluation(method, probing, samples, output, run_loggers, checkpointing.interrupted, display.say),
            "method": name,
            "checkpoints": {file[:-3]: str(output / file) for file in (BEST, LAST) if (output / file).exists()},
            "config": config(settings, options),
            "status": "interrupted" if checkpointing.interrupted else "done",
            "steps": trainer.global_step,
            "loss": table.summary(),
            "samples_per_second": (trainer.global_step - steps_done) * settings.samples_per_step / seconds,
            "skipped": samples.skipped(),
        }
        return write_json(output / MANIFEST, result)


def _evaluation(
    method: Method,
    probing: Probing | None,
    samples: Samples,
    output: Path,
    run_loggers: list[Logger],
    interrupted: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Choose the weights that are deployed, compare them with the start, and return that part of the summary."""
    settings = method.settings
    comparisons: dict[str, dict[str, Any]] = {}
    if interrupted:
        share, line = deploying.interrupted_share(probing, method, output)
    else:
        share = deploying.choose_share(probing, method, output, say)
        comparisons = outcome.compare_with_start(probing, settings, output, say)
        outcome.draw(samples.recordings, settings, output, run_loggers, method.global_step, say)
        line = verdict(comparisons, probing.figures if probing else {}, settings.probe)
    return {
        "verdict": line,
        "probe": probing.figures if probing else {},
        "report": comparisons,
        "average": share,
        "deployed": deploying.deployed(method, output, share),
        "backbone": method.student.recipe.name,
        "init_sha256": method.student.sha256,
    }


def _fit(trainer: pl.Trainer, method: Method, data: Batches, last_checkpoint: Path | None) -> float:
    """Run Lightning's training loop and return its duration in seconds."""
    if trainer.world_size > 1:
        synchronize(method)
    method.batches = lambda: (move_data_to_device(batch, method.device) for batch in data.from_start())
    method.is_new_run = last_checkpoint is None
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers, logging and resuming does not apply here
        with _explain_batch_norm_error(), _silence_thread_errors():
            trainer.fit(method, data, ckpt_path=str(last_checkpoint) if last_checkpoint else None)
    return max(time.perf_counter() - began, 1e-9)


@contextlib.contextmanager
def _explain_batch_norm_error() -> Iterator[None]:
    """Replace torch's error for a batch of one sample by one that names the flag to change."""
    try:
        yield
    except ValueError as problem:
        if "more than 1 value per channel" not in str(problem):  # torch has no error class of its own for this
            raise
        raise StreamsegError(
            "batch norms cannot learn from one sample a step", "give --batch-size 2 or more"
        ) from problem


@contextlib.contextmanager
def _silence_thread_errors() -> Iterator[None]:
    """Do not print tracebacks of OSErrors in the thread in which TensorBoard writes.

    TensorBoard raises such an error, for example of a full disk, again in the main thread when the next figure is
    written.
    """
    previous = threading.excepthook
    threading.excepthook = lambda hook: None if isinstance(hook.exc_value, OSError) else previous(hook)
    try:
        yield
    finally:
        threading.excepthook = previous


def _checked_fingerprint(data: Data, encoder: Encoder, last_checkpoint: Path | None, steps_done: int) -> str:
    """Return the fingerprint of the data ("" in processes of other ranks).

    Raises StreamsegError if the run is resumed with other data or other starting weights than it was started with, or
    if it has made more steps than are asked for.
    """
    if steps_done > data.steps:
        raise StreamsegError(
            f"the run has made {steps_done} steps already, {data.steps} were asked for", "give more --steps"
        )
    if not is_rank_zero():
        return ""
    sha256 = fingerprint(data.recordings)
    before = (checkpoint.read_header(last_checkpoint)["provenance"] or {}) if last_checkpoint else {}
    if sha256 != (before.get("data_sha256") or sha256):
        raise SourceError(
            f"the run was started with other data than these {data.frames} frames",
            "give the same recordings with --data, wherever they lie now, or start a new run with another -o",
        )
    if encoder.sha256 != before.get("init_sha256", encoder.sha256):
        raise ModelError(
            f"the weights that training starts from, of {encoder.recipe.name}, have changed since the run was started",
            "bring the old file back, or start a new run with another -o",
        )
    return sha256


def _encoder(settings: Settings) -> Encoder:
    encoder = open_encoder(settings.spec, settings.init != "none", settings.norms == "frozen")
    if stages := frozen_stages(settings, encoder.part_count):
        encoder.freeze(stages)
    return encoder


def _probing(
    held_out: HeldOut | None, settings: Settings, samples: Samples, total: int, output: Path, say: Callable[[str], None]
) -> Probing | None:
    """Return the callback that probes the network, or None with --no-probe. held_out: None on other ranks."""
    if not settings.probe:
        return None
    evaluators = open_evaluators(held_out, settings, samples.recordings, say) if held_out else None
    return Probing(evaluators, settings.probe_every or max(1, total // 5), output, say, settings.save_top_k)


def _trainer(
    hardware: dict[str, Any],
    settings: Settings,
    total: int,
    run_loggers: list[Logger],
    callbacks: list[pl.Callback],
    checkpoint_io: CheckpointFile,
) -> pl.Trainer:
    return pl.Trainer(
        **hardware,
        precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
        max_steps=total,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip or None,
        callbacks=callbacks,
        plugins=[checkpoint_io],
        logger=run_loggers,
        log_every_n_steps=read_interval(hardware["accelerator"]),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def _quiet_libraries() -> None:
    """Hide Lightning's messages about devices and its usage tips."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
