"""What a run refuses before it touches the output folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from streamseg.config import RunConfig
from streamseg.errors import OutputError, SourceError
from streamseg.runtime import job
from streamseg.runtime.folder import open_folder

SAMPLE = str(Path(__file__).resolve().parents[3] / "samples" / "tabletop")


def test_a_missing_package_leaves_the_earlier_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    (tmp_path / "overlay.mp4").write_text("of the earlier run")
    (tmp_path / "run.json").write_text(json.dumps({"written": ["overlay.mp4"]}))
    config = RunConfig(source="video.mp4", output=tmp_path, save=("overlay", "rerun"), overwrite=True)
    with pytest.raises(OutputError, match="rerun-sdk is not installed"):
        job.run(config)
    assert (tmp_path / "overlay.mp4").exists()


def test_a_second_run_into_a_folder_ends_while_the_first_one_starts(tmp_path: Path) -> None:
    """Each asks for the folder first, and only then opens its recording and its network, which takes longest."""
    config = RunConfig(source=SAMPLE, output=tmp_path / "out", save=("labels",), max_frames=2)
    late: list[str] = []

    def second(line: str) -> None:
        with pytest.raises(OutputError, match="another run is writing"):
            job.run(config, log=late.append)

    assert job.run(config.but(size=96, k=3), log=second)["frames"] == 2
    assert late == []


@pytest.mark.parametrize("save", [(), ("overlay",)])
def test_an_output_in_use_is_told_before_anything_is_opened(save: tuple[str, ...], tmp_path: Path) -> None:
    config = RunConfig(source=str(tmp_path / "no such video.mp4"), output=tmp_path / "out", save=save)
    with open_folder(tmp_path / "out", False, "x"), pytest.raises(OutputError, match="another run"):
        job.run(config)
    with pytest.raises(SourceError, match="no such video"):
        job.run(config)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlay.mp4").write_text("mine")
    with pytest.raises(OutputError if save else SourceError, match="no run wrote it" if save else "no such video"):
        job.run(config)
