"""Output folders and recordings as a page gets them, over HTTP: exact masks, honest gaps, hostile content."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.config import SourceConfig
from streamseg.errors import OutputError, SourceError, StreamsegError
from streamseg.frame import Segmentation
from streamseg.masks.properties import measure
from streamseg.sinks import Run, open_sink
from streamseg.sources import open_source
from streamseg.viewing.output import FrameEntry
from streamseg.viewing.playback import Playback
from streamseg.viewing.recorded import Recorded, open_recorded
from streamseg.viewing.server import PageServer

from .conftest import ask, unpacked

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "tabletop"
FRAMES = 4
ALL = ("labels", "objects", "npz", "jsonl", "overlay")


def segmented() -> Iterator[tuple[Any, Segmentation]]:
    """Some frames of the sample, with masks of our own."""
    source = open_source(str(SAMPLE))
    for index in range(FRAMES):
        frame = source[index]
        regions = np.ones(frame.rgb.shape[:2], np.uint8)
        regions[:, 320 + index :] = 2
        objects = np.zeros_like(regions)
        objects[200:260, 100 + 4 * index : 180 + 4 * index] = 3
        yield frame, Segmentation(regions, k=2, objects=objects, scores={3: 0.5})


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write("labels", ...): an output folder as `streamseg run --masks objects` leaves it, by the real sinks."""

    def call(*save: str, source: str = str(SAMPLE), name: str = "out") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        run = Run("a run", fps=10, masks="objects")
        for kind in save:
            with open_sink(kind, folder, run) as sink:
                for item in segmented():
                    sink.write(*item)
        manifest = {
            "status": "done", "source": {"uri": source, "kind": "tum"}, "masks": "objects", "notes": ["<b>note</b>"],
            "settings": {"source": source, "run": {"every": 1, "max_frames": None}, "options": {}},
            "k": [{"frame": 0, "k": 2, "by": "knee"}],
        }  # fmt: skip
        (folder / "run.json").write_text(json.dumps(manifest))
        return folder

    return call


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """serve(folder, ...): the port of their page."""
    opened: list[Any] = []

    def call(*given: Path) -> int:
        playback = Playback([partial(open_recorded, str(one), SourceConfig()) for one in given])
        server = PageServer("recorded.html", playback.gets, port=0)
        opened.extend([server, playback])
        return server.port

    yield call
    for one in opened:
        one.close()


def about(port: int, run: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = ask(port, "/about").json["runs"][run]
    return found


def survey(port: int, layer: str = "", run: int = 0) -> list[dict[str, Any]]:
    for _ in range(200):
        found = ask(port, f"/survey?run={run}&layer={layer}&from=0").json
        if found["done"]:
            return list(found["rows"])
        time.sleep(0.02)
    raise AssertionError("the survey does not end")


@pytest.mark.parametrize("save", [("objects",), ("npz",), ALL], ids="+".join)
def test_masks_of_any_output_are_exact(save: tuple[str, ...], write: Callable[..., Path], serve: Any) -> None:
    port = serve(write(*save))
    told = about(port)
    assert told["kinds"][0] == "objects"
    assert told["run"]
    assert len(told["names"]) == FRAMES
    for place, (frame, masks) in enumerate(segmented()):
        head, pictures = unpacked(ask(port, f"/moment?at={place}&layer=objects").body)
        assert head["name"] == frame.name == told["names"][place]
        assert np.array_equal(pictures["objects"], masks.objects)
        assert np.abs(pictures["colour"].astype(int) - frame.rgb).mean() < 3


@pytest.mark.parametrize("save", [("objects",), ("npz", "jsonl")], ids="+".join)
def test_the_way_of_an_object_is_that_of_its_masks(
    save: tuple[str, ...], write: Callable[..., Path], serve: Any
) -> None:
    port = serve(write(*save))
    rows = survey(port, "objects")
    assert len(rows) == FRAMES
    for place, ((frame, masks), row) in enumerate(zip(segmented(), rows, strict=True)):
        assert masks.objects is not None
        (one,) = measure(masks.objects, frame.depth, frame.intrinsics)
        ((i, area, distance, x, y, size),) = row["ids"]
        assert (i, area, x, y) == (3, 4800, 140 + 4 * place, 230)
        assert distance == pytest.approx(one.mean_depth, abs=1e-3)
        assert size == pytest.approx(one.size, abs=1e-3)
    head, _ = unpacked(ask(port, "/moment?at=0&layer=objects").body)
    (segment,) = head["segments"]["objects"]
    assert segment["score"] == (0.5 if "jsonl" in save else None)  # masks alone have none


def test_a_recording_that_was_moved_leaves_the_masks(write: Callable[..., Path], serve: Any) -> None:
    folder = write("objects", source="/no/such/<recording>")
    port = serve(folder)
    told = about(port)
    assert not told["colour"]
    assert any("--source" in note for note in told["notes"])
    _, pictures = unpacked(ask(port, "/moment?at=2&layer=objects").body)
    assert np.array_equal(pictures["objects"], list(segmented())[2][1].objects)
    assert not pictures["colour"].any()
    again = open_recorded(str(folder), SourceConfig(), str(SAMPLE))
    assert again.source is not None
    assert again.frame(2).rgb.any()


def test_what_the_run_left_to_do_comes_first(write: Callable[..., Path], serve: Any) -> None:
    folder = write("objects")
    told = json.loads((folder / "run.json").read_text())
    told["notes"] = ["note: one", "to do: two"]
    (folder / "run.json").write_text(json.dumps(told))
    assert about(serve(folder))["notes"] == ["to do: two", "note: one"]


def test_the_overlay_stands_in_for_a_recording_that_has_gone(write: Callable[..., Path], serve: Any) -> None:
    port = serve(write("objects", "overlay", source="0"))
    assert any("overlay.mp4" in note for note in about(port)["notes"])
    assert unpacked(ask(port, "/moment?at=3&layer=none").body)[1]["colour"].mean() > 30


def test_a_relative_path_is_found_above_the_output(write: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "clip")
    assert open_recorded(str(write("labels", source="clip")), SourceConfig()).source is not None
    assert open_recorded(str(write("labels", source="tum:clip", name="b")), SourceConfig()).source is not None


def test_a_recording_of_another_size_is_told(write: Callable[..., Path], serve: Any, tmp_path: Path) -> None:
    import cv2

    small = tmp_path / "small"
    small.mkdir()
    for path in sorted((SAMPLE / "rgb").iterdir())[:FRAMES]:
        cv2.imwrite(str(small / path.name), cv2.resize(cv2.imread(str(path)), (64, 48)))
    port = serve(write("objects", "jsonl", source=str(small)))
    assert "640x480" in ask(port, "/moment?at=0&layer=objects").json["problem"]


def test_two_runs_are_served_beside_each_other(write: Callable[..., Path], serve: Any) -> None:
    port = serve(write("objects"), write("labels", name="other"))
    assert [about(port, run)["kinds"][0] for run in (0, 1)] == ["objects", "regions"]
    assert [len(survey(port, kind, run)) for run, kind in ((0, "objects"), (1, "regions"))] == [FRAMES, FRAMES]


def test_a_fact_of_the_run_replaces_that_of_its_recording() -> None:
    facts = [("depth", "1 unit"), ("skipped", "1 x broken"), ("skipped", "2 x dark")]
    recorded = Recorded("a run", [FrameEntry("first", number=0)], open_source(str(SAMPLE)), facts=facts)
    assert recorded.facts[:3] == facts
    assert [name for name, _ in recorded.facts[3:]] == ["recording", "camera", "ground truth"]


def test_a_recording_alone_tells_what_is_missing(serve: Any, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(SAMPLE, clip)
    sorted((clip / "rgb").iterdir())[3].write_bytes(b"no picture")
    sorted((clip / "depth").iterdir())[5].write_bytes(b"no picture")
    port = serve(clip)
    told = about(port)
    assert told["kinds"] == ["truth"]
    assert told["depth"]
    assert not told["run"]
    assert dict(map(tuple, told["facts"]))["recording"].startswith("tum, 24 frames of 640x480")
    rows = survey(port)
    assert [place for place, row in enumerate(rows) if row["problem"]] == [3]
    assert [place for place, row in enumerate(rows) if isinstance(row.get("depth"), str)] == [5]
    assert 0.5 < rows[0]["depth"] < 1
    assert rows[1]["time"] - rows[0]["time"] == pytest.approx(0.1)
    assert ask(port, "/moment?at=3&layer=none").json == {"problem": rows[3]["problem"]}


def test_what_cannot_be_asked_is_refused(write: Callable[..., Path], serve: Any) -> None:
    port = serve(write("objects"))
    for path in ("at=4", "at=-1", "at=x", "at=1&run=1", "at=1&run=-1", ""):
        assert ask(port, f"/moment?{path}").status == 400
    assert ask(port, "/survey?layer=../../etc").status == 400
    assert ask(port, "/survey?layer=objects&from=-1").status == 400


def test_names_are_data(write: Callable[..., Path], serve: Any) -> None:
    folder = write("objects", "jsonl")
    lines = [json.loads(line) for line in (folder / "segments.jsonl").read_text().splitlines()]
    for line in lines:
        line["name"] = "../../../etc/<img src=x>"
    (folder / "segments.jsonl").write_text("\n".join(map(json.dumps, lines)))
    port = serve(folder)
    assert about(port)["names"][0] == "../../../etc/<img src=x>"
    assert "missing" in ask(port, "/moment?at=0&layer=objects").json["problem"]  # nothing outside is read


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"settings": 3}', "[" * 100_000])
def test_what_is_no_run_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(OutputError, match=r"run\.json"):
        open_recorded(str(tmp_path), SourceConfig())


def test_what_cannot_be_shown_is_told(write: Callable[..., Path]) -> None:
    with pytest.raises(StreamsegError, match="no masks"):
        open_recorded(str(write(source="/no/such")), SourceConfig())
    with pytest.raises(SourceError, match="there is no"):
        open_recorded("/no/such", SourceConfig())
    with pytest.raises(SourceError, match="is called like a mask"):
        open_recorded(str(write("objects", name="b")), SourceConfig(), str(SAMPLE.with_name("overview.jpg")))
    for camera in ("realsense:", "camera:0", "/dev/video0", "7", "rtmps://localhost/1"):
        with pytest.raises(SourceError, match="is live"):
            open_recorded(camera, SourceConfig())
    with pytest.raises(SourceError) as caught:
        open_recorded("rtsp://user:secret@localhost:1/stream", SourceConfig())
    assert "--view browser" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint
    with pytest.raises(SourceError, match="is a run"):
        open_recorded(str(write("labels", name="c")), SourceConfig(depth_scale=1000.0))
