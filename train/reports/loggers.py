"""Loggers by name: TensorBoard in the output folder, Weights & Biases, MLflow. metrics.csv is always written.

W&B is configured by its own variables (WANDB_MODE=offline, WANDB_PROJECT, WANDB_BASE_URL). MLflow writes to
MLFLOW_TRACKING_URI, or to OUT/mlruns without it. A resumed run continues the same run of both, whose id is stored in
the output folder.
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
ID_FILE = "loggers.json"
"""File in the output folder with {name of the logger: id of the run}."""
PROJECT = "streamseg"
"""Name of the project in W&B, and of the experiment in MLflow."""
PACKAGES = {"wandb": "wandb", "mlflow": "mlflow-skinny"}
"""{name of the logger: package to install}."""


class Loggers(click.ParamType):
    """Names from NAMES, separated by commas."""

    name = "NAME[,NAME]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = list(dict.fromkeys(part.strip() for part in str(value).split(",") if part.strip()))
        for name in names:
            if name not in NAMES:
                self.fail(f"{name!r} is not a logger: {plugins.did_you_mean(name, NAMES)}", param, ctx)
        return ",".join(names)


def check(names: str) -> None:
    """Raise StreamsegError if the package of a logger is not installed, before anything is written."""
    for name in names.split(","):
        if name in PACKAGES and find_spec(name) is None:
            raise StreamsegError(f"--logger {name} needs a package that is not here", f"pip install {PACKAGES[name]}")


@contextmanager
def open_loggers(
    names: str, output: Path, start: int, flags: Mapping[str, Any], rank_zero: bool
) -> Iterator[list[Logger]]:
    """Yield the loggers, see `make_loggers`. At the end the run of W&B is finished: a process has one at a time."""
    loggers = make_loggers(names, output, start, flags, rank_zero)
    try:
        yield loggers
    finally:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()


def make_loggers(names: str, output: Path, start: int, flags: Mapping[str, Any], rank_zero: bool) -> list[Logger]:
    """Return the loggers in the order of `names`.

    start: step from which the run is resumed, 0 = new run. rank_zero: whether this process writes. Raises
    StreamsegError for a logger that cannot be used.
    """
    if not rank_zero:
        return []
    run_ids = _read_ids(output) if start else {}
    loggers: list[Logger] = []
    for name in names.split(","):
        if name == "tensorboard":
            loggers.append(TensorBoardLogger(str(output), name="", version="", purge_step=start or None))
        elif name in PACKAGES:
            loggers.append(_remote_logger(name, output, run_ids, flags))
    if run_ids:
        with written(output / ID_FILE) as temporary:
            temporary.write_text(json.dumps(run_ids), encoding="utf-8")
    return loggers


def _remote_logger(name: str, output: Path, run_ids: dict[str, str], flags: Mapping[str, Any]) -> Logger:
    try:
        logger = (_wandb if name == "wandb" else _mlflow)(output, run_ids)
        logger.log_hyperparams(dict(flags))
        return logger
    except Exception as problem:  # the libraries talk to servers, and raise errors of many kinds
        lines = str(problem).strip().splitlines()
        raise StreamsegError(
            f"--logger {name} cannot be used: {lines[0] if lines else type(problem).__name__}",
            "wandb login, or WANDB_MODE=offline" if name == "wandb" else "check MLFLOW_TRACKING_URI",
        ) from problem


def _wandb(output: Path, run_ids: dict[str, str]) -> Logger:
    os.environ.setdefault("WANDB_SILENT", "true")  # its messages concern Lightning, not the user
    run = run_ids.setdefault("wandb", uuid.uuid4().hex[:8])
    logger = WandbLogger(
        name=output.name,
        save_dir=str(output),
        id=run,
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        resume="allow",
        settings=_silent(),
    )
    _ = logger.experiment.id  # connects now, so that a missing login is an error before training
    return logger


def _silent() -> Any:
    import wandb

    return wandb.Settings(silent=True, console="off")


def _mlflow(output: Path, run_ids: dict[str, str]) -> Logger:
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    if "MLFLOW_TRACKING_URI" not in os.environ:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # permits a folder of files in place of a database
    logger = MLFlowLogger(
        experiment_name=PROJECT,
        run_name=output.name,
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", (output.absolute() / "mlruns").as_uri()),
        run_id=run_ids.get("mlflow"),
    )
    run = logger.run_id
    assert run is not None
    run_ids["mlflow"] = run
    return logger


def picture(loggers: Sequence[Any], name: str, rgb: Any, step: int) -> None:
    """Show a (H, W, 3) uint8 RGB picture in every logger that supports pictures."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, rgb, step, dataformats="HWC")
        elif isinstance(logger, WandbLogger):
            logger.log_image(name, [rgb], step=step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_image(logger.run_id, rgb, artifact_file=f"{name}.png")


def _read_ids(output: Path) -> dict[str, str]:
    try:
        ids: dict[str, str] = json.loads((output / ID_FILE).read_text(encoding="utf-8"))
        return ids
    except (OSError, ValueError):
        return {}
