"""Figures stay on their device until they are read together, and the rows of a long run are in the file alone."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.unit.train.conftest import HostReads
from train.callbacks.deferred import GPU_INTERVAL, DeferredFigures, read_interval
from train.callbacks.monitoring import MetricsTable


def test_rows_are_read_together_in_their_order() -> None:
    pending = DeferredFigures()
    with HostReads() as reads:
        for step in range(5):
            pending.add(step, {"lr": 0.5, "loss": torch.tensor(step / 8), "rank": torch.tensor([2.0])})
        assert reads.count == 0
    assert len(pending) == 5
    assert pending.take() == [(step, {"lr": 0.5, "loss": step / 8, "rank": 2.0}) for step in range(5)]
    assert pending.take() == []


def test_figures_are_read_in_every_step_on_a_cpu_and_seldom_on_a_gpu() -> None:
    assert read_interval("cpu") == 1
    assert read_interval("cuda") == GPU_INTERVAL > 1


def test_a_table_keeps_no_rows_and_continues_a_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    table = MetricsTable(path)
    for step in range(1, 7):
        row = {"step": str(step), "lr": "0.1", "loss": str(1 / step)} | ({"rank": "3"} if step == 4 else {})
        table.add(row)
    assert not [name for name, value in vars(table).items() if isinstance(value, list) and len(value) > len("cols")]
    assert table.summary() == {"first": 1.0, "last": 1 / 6}
    path.write_text(path.read_text() + "7,0.")  # killed in the middle of a row
    again = MetricsTable(path, 4)
    assert again.step == 4
    assert again.summary() == {"first": 1.0, "last": 0.25}
    again.add({"step": "5", "lr": "0.1", "loss": "9", "rank": "4"})
    lines = path.read_text().splitlines()
    assert lines == ["step,lr,loss,rank", "1,0.1,1.0,", *lines[2:4], "4,0.1,0.25,3", "5,0.1,9,4"]
