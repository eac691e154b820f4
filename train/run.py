"""A training run from settings to checkpoints: data, method, Lightning's loop, and the summary."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import move_data_to_device

from streamseg.backbones import checkpoint
from streamseg.errors import ModelError, SourceError, StreamsegError
from streamseg.files import written
from train.callbacks.checkpointing import BEST, LAST, CheckpointFile, Checkpointing
from train.callbacks.display import Display
from train.callbacks.monitoring import HealthMonitor, Table
from train.callbacks.pending import look_every
from train.callbacks.probing import Probing
from train.data.batches import Batches, Data, open_data, open_samples
from train.data.fingerprint import fingerprint
from train.data.samples import Samples
from train.description import checkpoint_header, config, flat, opening_line, unused
from train.distributed import is_first, trainer_devices
from train.encoder import Encoder, open_encoder
from train.folder import RESULT, TABLE, OutputFolder, checked, opened
from train.method import Method
from train.presets import frozen_stages, settled
from train.probes.evaluators import Held, open_held, open_judges
from train.reports import deploying, loggers, outcome
from train.reports.verdict import verdict
from train.settings import Settings
from train.sync_norm import synchronize

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def run(
    name: str, kind: type[Method], settings: Settings, options: Any, place: OutputFolder, display: Display
) -> dict[str, Any]:
    """Train method `name`; returns the summary. Raises StreamsegError; what was written before stays whole.

    place: the folder of last.pt, best.pt, metrics.csv, run.json and TensorBoard's events.
    """
    _quiet_libraries()
    settings = settled(settings)
    loggers.check(settings.logger)
    output, last = place.output, checked(place, is_first())
    start = int(checkpoint.read(last)["training"]["global_step"]) if last else 0
    hardware = trainer_devices(settings)
    with contextlib.ExitStack() as stack:
        torch.manual_seed(settings.seed)
        encoder = _encoder(settings)
        data = open_data(settings, stack)
        about_data = _same_run(data, encoder, last, start)
        method = kind(encoder, options, settings, data.steps)
        held = open_held(settings, data.recordings, display.say) if is_first() else None
        for line in unused(method):
            display.say(line)
        # what the command line got wrong is known by now: an older run makes room
        stack.enter_context(opened(place, is_first()))
        samples = open_samples(method, data, settings, output, stack, display.say)
        probing = _probing(held, settings, samples, data.steps, output, display.say)
        table = Table(output / TABLE, start, write=is_first())
        checkpointing = Checkpointing(output, settings.save_every, settings.save_period)
        callbacks = [HealthMonitor(display.say, samples.describe, output), table, checkpointing, probing, display]
        made = stack.enter_context(loggers.opened(settings.logger, output, start, flat(settings, options), is_first()))
        about = CheckpointFile(checkpoint_header(name, method, settings, options, about_data))
        trainer = _trainer(hardware, settings, data.steps, made, [one for one in callbacks if one], about)
        for line in (*samples.left_out(), opening_line(name, encoder, samples, settings, data.steps, trainer)):
            display.say(line)
        with checkpointing.interruptible(trainer):
            seconds = _fit(trainer, method, Batches(samples, settings, start), last)
        if not trainer.is_global_zero:
            return {}
        result = {
            **_came_out(method, probing, samples, output, made, checkpointing.interrupted, display.say),
            "method": name,
            "checkpoints": {file[:-3]: str(output / file) for file in (BEST, LAST) if (output / file).exists()},
            "config": config(settings, options),
            "status": "interrupted" if checkpointing.interrupted else "done",
            "steps": trainer.global_step,
            "loss": table.summary(),
            "samples_per_second": (trainer.global_step - start) * settings.samples_per_step / seconds,
            "skipped": samples.skipped(),
        }
        return write_json(output / RESULT, result)


def _came_out(
    method: Method,
    probing: Probing | None,
    samples: Samples,
    output: Path,
    made: list[Logger],
    interrupted: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What the summary says of the network. made: the loggers."""
    settings, found = method.settings, dict[str, Any]()
    if interrupted:
        share, line = deploying.unsettled(probing, method, output)
    else:
        share = deploying.settle(probing, method, settings, output, say)
        found = outcome.report(probing, settings, output, say)
        outcome.draw(samples.recordings, settings, output, made, method.global_step, say)
        line = verdict(found, probing.figures if probing else {})
    return {
        "verdict": line,
        "probe": probing.figures if probing else {},
        "report": found,
        "average": share,
        "backbone": method.student.recipe.name,
        "init_sha256": method.student.sha256,
    }


def _fit(trainer: pl.Trainer, method: Method, data: Batches, last: Path | None) -> float:
    """Train; returns the seconds it took."""
    if trainer.world_size > 1:
        synchronize(method)
    method.batches = lambda: (move_data_to_device(batch, method.device) for batch in data.draws())
    method.fresh = last is None
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers, logging and resuming is followed already
        with _explained(), _told_once():
            trainer.fit(method, data, ckpt_path=str(last) if last else None)
    return max(time.perf_counter() - began, 1e-9)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ValueError as problem:
        if "more than 1 value per channel" not in str(problem):  # torch has no type for it
            raise
        raise StreamsegError(
            "batch norms cannot learn from one sample a step", "give --batch-size 2 or more"
        ) from problem


@contextlib.contextmanager
def _told_once() -> Iterator[None]:
    """TensorBoard writes in a thread. What fails there, such as a full disk, is raised again where the next figure is
    written: Python need not print it from the thread, too."""
    usual = threading.excepthook
    threading.excepthook = lambda told: None if isinstance(told.exc_value, OSError) else usual(told)
    try:
        yield
    finally:
        threading.excepthook = usual


def _same_run(data: Data, encoder: Encoder, last: Path | None, start: int) -> str:
    """The fingerprint of the data. Raises StreamsegError where a run that goes on was started with other data or other
    weights, or has made more steps than are asked for."""
    if start > data.steps:
        raise StreamsegError(
            f"the run has made {start} steps already, {data.steps} were asked for", "give more --steps"
        )
    if not is_first():
        return ""
    found = fingerprint(data.recordings)
    before = (checkpoint.read_header(last)["provenance"] or {}) if last else {}
    if found != (before.get("data_sha256") or found):
        raise SourceError(
            f"the run was started with other data than these {data.frames} frames",
            "give the same recordings with --data, wherever they lie now, or start a new run with another -o",
        )
    if encoder.sha256 != before.get("init_sha256", encoder.sha256):
        raise ModelError(
            f"the weights that training starts from, of {encoder.recipe.name}, have changed since the run was started",
            "bring the old file back, or start a new run with another -o",
        )
    return found


def _encoder(settings: Settings) -> Encoder:
    encoder = open_encoder(settings.spec, settings.init != "none", settings.norms == "frozen")
    if still := frozen_stages(settings, encoder.parts):
        encoder.freeze(still)
    return encoder


def _probing(
    held: Held | None, settings: Settings, samples: Samples, total: int, output: Path, say: Callable[[str], None]
) -> Probing | None:
    """held: None in processes that are not the first."""
    if not settings.probe:
        return None
    evaluators = open_judges(held, settings, samples.recordings, say) if held else None
    return Probing(evaluators, settings.probe_every or max(1, total // 5), output, say, settings.save_top_k)


def _trainer(
    hardware: dict[str, Any],
    settings: Settings,
    total: int,
    made: list[Logger],
    callbacks: list[pl.Callback],
    about: CheckpointFile,
) -> pl.Trainer:
    return pl.Trainer(
        **hardware,
        precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
        max_steps=total,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip or None,
        callbacks=callbacks,
        plugins=[about],
        logger=made,
        log_every_n_steps=look_every(hardware["accelerator"]),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def write_json(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Returns it as a reader of the file gets it: tuples are lists there."""
    text = json.dumps(content, indent=2)
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _quiet_libraries() -> None:
    """Lightning's notes about devices and its own tips are not ours."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
