from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamseg.cli.run import run
from streamseg.config import RunConfig, Spec
from streamseg.errors import OutputError
from streamseg.frame import Intrinsics
from streamseg.runtime import job
from streamseg.runtime.repeat import flags_of, settings_of
from streamseg.sources.alignment import Alignment
from streamseg.text import to_json


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {
            "size": (96, 128),
            "k": 6,
            "k_range": (3, 7),
            "spec": Spec("resnet18", layers=(4, 5)),
            "keyframes": 3,
            "seed": 9,
            "edges": False,
        },
        {
            "save": ("labels", "coco"),
            "objects": True,
            "masks": "panoptic",
            "every": 3,
            "max_frames": 7,
            "alpha": 0.25,
            "batch": 4,
        },
        {
            "objects": True,
            "regions": False,
            "quality": "high",
            "save": ("objects",),
            "clustering": "per-frame",
            "pca": 3,
            "depth": 0.5,
        },
    ],
)
def test_a_run_can_be_repeated(changed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = RunConfig("a recording/", output=tmp_path).but(**changed)
    (tmp_path / "run.json").write_bytes(to_json({"settings": settings_of(wish)}))
    seen: list[RunConfig] = []
    monkeypatch.setattr(job, "run", lambda asked, **_: seen.append(asked) or {"status": "done"})
    done = CliRunner().invoke(run, ["--config", str(tmp_path / "run.json"), "-o", str(tmp_path), "--quiet"])
    assert done.exception is None, done.output
    assert seen == [wish]


def test_settings_of_the_source_are_repeated_too(tmp_path: Path) -> None:
    wish = RunConfig("x")
    options = type(wish.options)(Intrinsics(500, 501, 320.5, 240), 1000.0, Alignment(0.9, -8, -4))
    path = tmp_path / "run.json"
    path.write_bytes(to_json({"settings": settings_of(RunConfig("x", options=options))}))
    flags = flags_of(path)
    assert flags["intrinsics"] == "500,501,320.5,240"
    assert flags["align_depth"] == "0.9,-8,-4"
    assert flags["depth_scale"] == "1000.0"


def test_further_flags_override_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(to_json({"settings": settings_of(RunConfig("old").but(k=6, seed=3))}))
    seen: list[RunConfig] = []
    monkeypatch.setattr(job, "run", lambda asked, **_: seen.append(asked) or {"status": "done"})
    done = CliRunner().invoke(run, ["new", "--config", str(path), "--k", "4", "-o", str(tmp_path), "--quiet"])
    assert done.exception is None, done.output
    assert (seen[0].source, seen[0].clustering.k, seen[0].clustering.seed) == ("new", 4, 3)


def test_the_summary_of_training_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"method": "selftrain", "config": {"settings": {}, "options": {}}}))
    with pytest.raises(OutputError, match="is of training") as refusal:
        flags_of(path)
    assert refusal.value.hint == f"streamseg train selftrain --config {path}"


@pytest.mark.parametrize("text", ["", "{}", "[1]", json.dumps({"settings": {"extractor": 3}}), "[" * 100_000])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(OutputError, match="does not hold the settings"):
        flags_of(tmp_path / "run.json")
    with pytest.raises(OutputError, match="cannot be read"):
        flags_of(tmp_path / "absent.json")
