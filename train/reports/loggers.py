"""Loggers by name: TensorBoard in the output folder, Weights & Biases, MLflow. metrics.csv is written with or without.

W&B goes where its own variables say (WANDB_MODE=offline, WANDB_PROJECT, WANDB_BASE_URL), MLflow to MLFLOW_TRACKING_URI,
else into OUT/mlruns. A resumed run goes on in the same run of both: its id lies in the output folder.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from streamseg import plugins
from streamseg.errors import StreamsegError
from streamseg.files import written

NAMES = ("tensorboard", "csv", "wandb", "mlflow")
IDS = "loggers.json"
"""In the output folder: {name: id of the run}."""
PROJECT = "streamseg"
PACKAGES = {"wandb": "wandb", "mlflow": "mlflow-skinny"}


class Loggers(click.ParamType):
    """Names with commas, each of NAMES."""

    name = "NAME[,NAME]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = list(dict.fromkeys(part.strip() for part in str(value).split(",") if part.strip()))
        for name in names:
            if name not in NAMES:
                self.fail(f"{name!r} is not a logger: {plugins.did_you_mean(name, NAMES)}", param, ctx)
        return ",".join(names)


def check(names: str) -> None:
    """Raises StreamsegError where a logger's package is not here: before anything is written."""
    for name in names.split(","):
        if name in PACKAGES and find_spec(name) is None:
            raise StreamsegError(f"--logger {name} needs a package that is not here", f"pip install {PACKAGES[name]}")


@contextmanager
def opened(names: str, output: Path, start: int, flags: Mapping[str, Any], first: bool) -> Iterator[list[Logger]]:
    """See `make`. A process has one run of W&B at a time, which ends at the end: a later training has its own."""
    made = make(names, output, start, flags, first)
    try:
        yield made
    finally:
        for logger in made:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()


def make(names: str, output: Path, start: int, flags: Mapping[str, Any], first: bool) -> list[Logger]:
    """The loggers, in the order of `names`. start: step that a resumed run goes on from. first: whether this process
    writes. Raises StreamsegError for one that cannot be used."""
    if not first:
        return []
    known = _ids(output) if start else {}
    made: list[Logger] = []
    for name in names.split(","):
        if name == "tensorboard":
            made.append(TensorBoardLogger(str(output), name="", version="", purge_step=start or None))
        elif name in PACKAGES:
            made.append(_remote(name, output, known, flags))
    if known:
        with written(output / IDS) as temporary:
            temporary.write_text(json.dumps(known), encoding="utf-8")
    return made


def _remote(name: str, output: Path, known: dict[str, str], flags: Mapping[str, Any]) -> Logger:
    try:
        logger = (_wandb if name == "wandb" else _mlflow)(output, known)
        logger.log_hyperparams(dict(flags))
        return logger
    except Exception as problem:  # of a library that talks to a server: anything
        said = str(problem).strip().splitlines()
        raise StreamsegError(
            f"--logger {name} cannot be used: {said[0] if said else type(problem).__name__}",
            "wandb login, or WANDB_MODE=offline" if name == "wandb" else "check MLFLOW_TRACKING_URI",
        ) from problem


def _wandb(output: Path, known: dict[str, str]) -> Logger:
    os.environ.setdefault("WANDB_SILENT", "true")  # what concerns Lightning's use of it is not for our users
    run = known.setdefault("wandb", uuid.uuid4().hex[:8])
    logger = WandbLogger(
        name=output.name,
        save_dir=str(output),
        id=run,
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        resume="allow",
        settings=_silent(),
    )
    _ = logger.experiment.id  # now, not in the middle of training, one learns that nobody is logged in
    return logger


def _silent() -> Any:
    import wandb

    return wandb.Settings(silent=True, console="off")


def _mlflow(output: Path, known: dict[str, str]) -> Logger:
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    if "MLFLOW_TRACKING_URI" not in os.environ:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a folder of files is all that we want of it
    logger = MLFlowLogger(
        experiment_name=PROJECT,
        run_name=output.name,
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", (output.absolute() / "mlruns").as_uri()),
        run_id=known.get("mlflow"),
    )
    run = logger.run_id
    assert run is not None
    known["mlflow"] = run
    return logger


def picture(loggers: Sequence[Any], name: str, rgb: Any, step: int) -> None:
    """Show a (H, W, 3) uint8 RGB picture in every logger that takes pictures."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, rgb, step, dataformats="HWC")
        elif isinstance(logger, WandbLogger):
            logger.log_image(name, [rgb], step=step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_image(logger.run_id, rgb, artifact_file=f"{name}.png")


def _ids(output: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((output / IDS).read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError):
        return {}
