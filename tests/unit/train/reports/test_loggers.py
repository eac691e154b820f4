"""Loggers by name, with the real libraries: W&B offline, MLflow in a folder."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import pytest

from streamseg.errors import StreamsegError
from train.reports import loggers

FLAGS = {"lr": 0.1, "data": ("a", "b")}
RED = np.full((8, 12, 3), (255, 0, 0), np.uint8)


def test_names_are_checked() -> None:
    assert loggers.Loggers().convert("csv, tensorboard,csv", None, None) == "csv,tensorboard"
    with pytest.raises(click.BadParameter, match="did you mean 'mlflow'"):
        loggers.Loggers().convert("mlfow", None, None)


def test_a_missing_package_is_an_error_with_the_command_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    loggers.check("tensorboard,csv")
    with pytest.raises(StreamsegError) as told:
        loggers.check("tensorboard,wandb")
    assert told.value.hint == "pip install wandb"


def test_mlflow_keeps_figures_and_pictures_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    first = loggers.make_loggers("mlflow", tmp_path, 0, FLAGS, True)
    first[0].log_metrics({"loss": 2.0}, 1)
    again = loggers.make_loggers("mlflow", tmp_path, 1, FLAGS, True)  # a run that goes on
    again[0].log_metrics({"loss": 1.0}, 2)
    loggers.picture(again, "masks", RED, 2)
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("streamseg").experiment_id])
    assert [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "loss")] == [(1, 2.0), (2, 1.0)]
    assert run.data.params["lr"] == "0.1"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["masks.png"]


def test_wandb_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with loggers.open_loggers("wandb", tmp_path, 0, FLAGS, True) as made:
        made[0].log_metrics({"loss": 2.0}, 1)
    assert wandb.run is None  # a later training of this process has a run of its own
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (record,) = folder.glob("*.wandb")
    deadline = time.monotonic() + 60  # a process of its own writes it
    while b"loss" not in record.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert b"loss" in record.read_bytes()


def test_an_unreachable_server_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nothing://here")
    with pytest.raises(StreamsegError, match="--logger mlflow cannot be used"):
        loggers.make_loggers("mlflow", tmp_path, 0, FLAGS, True)


def test_processes_of_other_ranks_log_nothing(tmp_path: Path) -> None:
    assert loggers.make_loggers("tensorboard,wandb", tmp_path, 0, FLAGS, False) == []
    assert list(tmp_path.iterdir()) == []
