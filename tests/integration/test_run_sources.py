"""`streamseg run` on every format of recording, with a backbone that sees colours: the formats are what is tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from streamseg.cli.run import run
from streamseg.runtime import session
from streamseg.sources import Recording, open_source
from streamseg.sources.reading.cameras import UNKNOWN
from tests.unit.conftest import ColourBackbone
from tests.unit.sources.conftest import Make
from tests.unit.sources.recordings import SMALL, build


@pytest.mark.parametrize("kind", SMALL)
def test_every_frame_gets_its_masks(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(session, "open_backbone", lambda spec, size, **_: ColourBackbone(size))
    uri, out = build(kind, tmp_path, Make), tmp_path / "out"
    flags = ["--save", "labels", "--size", "64", "--k", "3", "--depth", "0.5", "--quiet"]
    done = CliRunner().invoke(run, [uri, "-o", str(out), *flags], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with open_source(uri) as source:
        assert isinstance(source, Recording)
        frames = [source[i] for i in range(len(source))]
    told = json.loads((out / "run.json").read_text())
    read = "rgbd" if kind == "index" else kind.partition("_")[0]  # an index leads to what is read
    assert (told["status"], told["frames"], told["source"]["kind"]) == ("done", len(frames), read)
    assert told["without_depth"] == {} or frames[0].load_depth is None
    assert told["source"]["depth_units_per_metre"] == source.depth_scale
    for frame in frames:
        with Image.open(out / "labels" / f"{frame.name}.png") as mask:
            assert mask.size == frame.rgb.shape[1::-1]


def test_intrinsics_are_asked_for_once(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(session, "open_backbone", lambda spec, size, **_: ColourBackbone(size))
    flags = ["--save", "labels,ply", "--size", "64", "--k", "3", "--quiet"]  # ply, too, cannot do without them
    done = CliRunner().invoke(run, [build("rgbd", tmp_path, Make), "-o", str(tmp_path / "out"), *flags])
    assert done.exit_code == 0, done.output
    notes = json.loads((tmp_path / "out" / "run.json").read_text())["notes"]
    assert any(note.startswith("note: ply has no clouds of ") for note in notes)
    assert [note for note in notes if "--intrinsics" in note] == [UNKNOWN]
