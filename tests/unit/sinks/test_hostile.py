"""Every file sink with difficult inputs: odd names, tiny and changing sizes, a full disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg import plugins, sinks
from streamseg.errors import OutputError
from streamseg.frame import VOID, Frame, Intrinsics, Segmentation
from streamseg.sinks import Run, open_sink

FullDisk = Callable[[int], AbstractContextManager[None]]

EXTRAS = {"rerun": "rerun"}
"""Sinks that need a package of their own."""
SINKS = sorted(name for name in sinks.kinds() if name != "window" and find_spec(EXTRAS.get(name, "streamseg")))
UNDECODABLE = b"gr\xfc\xdfe".decode("utf-8", errors="surrogateescape")
"""How Python names a file whose name is Latin-1 on a UTF-8 system."""


def item(index: int, size: tuple[int, int] = (48, 64), name: str = "") -> tuple[Frame, Segmentation]:
    random = np.random.default_rng(index)
    labels = random.integers(1, 5, size, dtype=np.uint8)
    labels[0, 0] = VOID
    rgb = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    depth, camera = np.ones(size, np.float32), Intrinsics(50, 50, 32, 24)
    whole = Frame(index, name or f"{index:05d}", index / 30, rgb, camera, load_depth=lambda: depth, pose=np.eye(4))
    return whole, Segmentation(labels, k=4, objects=labels)


@pytest.mark.parametrize("name", sorted(plugins.modules_declaring(str(sinks.__file__), "ONE_KIND")))
def test_sinks_of_one_kind_use_the_objects_alone(name: str, tmp_path: Path) -> None:
    """Their files do not depend on the regions, which need not be computed."""
    written = []
    for label, k in ((VOID, 0), (3, 5)):
        folder = tmp_path / str(k)
        folder.mkdir()
        with open_sink(name, folder, Run(title="x", masks="objects")) as sink:
            for index in range(2):
                frame, found = item(index)
                sink.write(frame, replace(found, regions=np.full_like(found.regions, label), k=k))
        written.append({path.relative_to(folder): _content(path) for path in folder.rglob("*") if path.is_file()})
    assert written[0]
    assert written[0] == written[1]


def _content(path: Path) -> object:
    if path.suffix != ".npz":  # an archive holds the time of day
        return path.read_bytes()
    with np.load(path) as archive:
        return {name: archive[name].tobytes() for name in archive}


def files(folder: Path) -> list[Path]:
    """Return the files of a folder, without images and configuration files of annotations."""
    beside = ("data.yaml", "config.xml", "metadata.yaml")
    found = [path for path in folder.rglob("*") if path.is_file() and path.name not in beside]
    return sorted(path for path in found if path.parent.name != "images")


def read(path: Path) -> int:
    """Read a file as its users do, and return the number of frames in it."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as video:
            return sum(1 for _ in video.decode(video=0))
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return len(archive["labels"])
    if path.suffix == ".rrd":
        return recorded(path)
    if path.suffix in (".bag", ".mcap"):
        return played(path)
    if path.suffix == ".png":
        assert cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) is not None
        return 1
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return len([json.loads(line) for line in text.splitlines()])
    if path.name == "mots.txt":
        return len({line.split()[0] for line in text.splitlines()})
    if path.suffix == ".txt":
        assert all(len(line.split()) >= 7 for line in text.splitlines())
        return 1
    content = json.loads(text)
    if isinstance(content, list):
        return len(content)
    return len(content["images"]) if "images" in content else content["videos"][0]["length"]


def frames_in(folder: Path) -> int:
    """Return the number of frames in all files of a folder."""
    clouds = {path.stem.rpartition("-")[0] for path in folder.rglob("frames/*.ply")}
    return len(clouds) + sum(read(path) for path in files(folder) if path.suffix != ".ply")


def played(path: Path) -> int:
    """The number of frames in a bag."""
    from rosbags.highlevel import AnyReader

    with AnyReader([path]) as bag:
        return sum(one.msgcount for one in bag.connections if one.topic == "/streamseg/regions")


def recorded(path: Path) -> int:
    """The number of frames in a recording of Rerun."""
    from rerun.chunk import RrdReader

    batches = [chunk.to_record_batch() for chunk in RrdReader(path).stream() if chunk.entity_path == "/curves/k"]
    return sum(batch.num_rows for batch in batches)


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (33, 47), (48, 64)])
def test_frames_of_any_size_are_written(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    with open_sink(name, tmp_path, Run("x")) as sink:
        for index in range(3):
            sink.write(*item(index, size))
    nothing = name in ("mots", "ply") and size == (1, 1)  # whose only pixel is void
    assert frames_in(tmp_path) == (0 if nothing else 3)


@pytest.mark.parametrize("name", SINKS)
def test_sizes_that_change(name: str, tmp_path: Path) -> None:
    with open_sink(name, tmp_path, Run("x")) as sink:
        for index, size in enumerate([(48, 64), (64, 48), (31, 90)]):
            sink.write(*item(index, size))
    assert frames_in(tmp_path) == 3


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize("frame_name", ["日本語 é", UNDECODABLE, "..", "a/b\\c:d", 'quote"\n', "100%"])
def test_any_frame_name(name: str, frame_name: str, tmp_path: Path) -> None:
    with open_sink(name, tmp_path, Run(frame_name)) as sink:
        sink.write(*item(0, name=frame_name))
    assert frames_in(tmp_path) == 1
    path = files(tmp_path)[0]
    if path.suffix == ".jsonl":
        assert json.loads(path.read_text(encoding="utf-8"))["name"] == frame_name


@pytest.mark.parametrize(
    "name", sorted(set(SINKS) - {"labels", "objects", "panoptic", "yolo", "ply"})
)  # whose files stay small
def test_a_full_disk_ends_in_one_clear_error(name: str, tmp_path: Path, full_disk: FullDisk) -> None:
    """There is one clear error, no partial file is left, and complete files can be read."""

    def fill() -> None:
        with open_sink(name, tmp_path, Run("x")) as sink:
            for index in range(600):
                sink.write(*item(index, (120, 160)))

    with full_disk(60_000), pytest.raises(OutputError, match="File too large") as caught:
        fill()
    assert "-o" in caught.value.hint
    for path in files(tmp_path):
        assert "partial" not in path.name
        assert read(path) > 0
