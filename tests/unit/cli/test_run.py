"""The output folder that a run gets if it is given none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from streamseg.cli.run import _default_name, run
from streamseg.config import RunConfig
from streamseg.runtime import job


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("recordings/desk.mp4", "desk"),
        ("video:recordings/desk.mp4", "desk"),
        ("desk:2026.mp4", "desk:2026"),
        ("realsense:", "realsense"),
        ("bag:robot.bag#/camera/color", "robot"),
        ("index:co3d.index#hydrant/194_20925_42241", "194_20925_42241"),
        ("shards:shards#desk", "desk"),
        ("0", "0"),
        ("rtsp://user:secret@host/stream", "stream"),
    ],
)
def test_default_names(source: str, name: str) -> None:
    assert _default_name(source) == name


@pytest.mark.parametrize(
    ("flags", "output"),
    [
        ("", "out/0"),
        ("--show", None),
        ("--view browser", None),
        ("--show --save overlay", "out/0"),
        ("--view browser -o there", "there"),
    ],
)
def test_a_run_that_is_only_watched_writes_nothing(
    flags: str, output: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []

    def record(config: RunConfig, **_: Any) -> dict[str, str]:
        outputs.append(config.output)
        return {"status": "done"}

    monkeypatch.setattr(job, "run", record)
    done = CliRunner().invoke(run, ["0", "--quiet", *flags.split()], catch_exceptions=False)
    assert done.exit_code == 0
    assert outputs == [output and Path(output)]
