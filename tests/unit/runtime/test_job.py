"""What a run refuses before it touches the output folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from streamseg.config import RunConfig
from streamseg.errors import OutputError
from streamseg.runtime import job


def test_a_missing_package_leaves_the_earlier_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    (tmp_path / "overlay.mp4").write_text("of the earlier run")
    (tmp_path / "run.json").write_text(json.dumps({"written": ["overlay.mp4"]}))
    config = RunConfig(source="video.mp4", output=tmp_path, save=("overlay", "rerun"), overwrite=True)
    with pytest.raises(OutputError, match="rerun-sdk is not installed"):
        job.run(config)
    assert (tmp_path / "overlay.mp4").exists()
