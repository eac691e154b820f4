"""Recordings for Rerun, read back by Rerun's own reader; a viewer that listens on this machine only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.errors import OutputError
from streamseg.frame import Frame, Intrinsics, Segmentation
from streamseg.masks import palette
from streamseg.sinks import Run, open_sink, open_viewer

from .conftest import scene

pytest.importorskip("rerun", reason="needs rerun-sdk, the extra rerun")
RUN = Run("a sequence", masks="objects")
FRAMES = 3
IMAGE = "/world/camera/image"


def frame(index: int, stamp: float = 0.0) -> tuple[Frame, Segmentation]:
    labels = scene(index)
    rgb = cv2.applyColorMap(labels, cv2.COLORMAP_JET)
    depth = np.where(labels == 200, 0, 1.5 + index).astype(np.float32)
    pose = np.eye(4)
    pose[:3, 3] = index, 2, 3
    whole = Frame(index, str(index), stamp + index / 10, rgb, Intrinsics(60, 61, 39, 29), lambda: depth, pose=pose)
    return whole, Segmentation(labels, k=4, objects=labels, latency_ms=2.5)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rerun")
    with open_sink("rerun", folder, RUN) as sink:
        for index in range(FRAMES):
            sink.write(*frame(index, stamp=1.7e9))
        assert not (folder / "recording.rrd").exists()
    return folder / "recording.rrd"


@pytest.fixture(scope="module")
def values(file: Path) -> dict[str, list[Any]]:
    """Return the logged values in order, by "entity column"."""
    from rerun.chunk import RrdReader

    found: dict[str, list[Any]] = defaultdict(list)
    for chunk in RrdReader(file).stream():
        batch = chunk.to_record_batch()
        for name, column in zip(batch.schema.names, batch.columns):
            found[f"{chunk.entity_path} {name}"] += [one for one in column.to_pylist() if one is not None]
    return found


def test_rerun_verifies_the_file(file: Path) -> None:
    command = [sys.executable, "-m", "rerun", "rrd", "verify", str(file)]
    done = subprocess.run(command, env={**os.environ, "CI": "1"}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_masks_depth_and_colour_are_what_was_written(values: dict[str, list[Any]]) -> None:
    masks = values[f"{IMAGE}/masks SegmentationImage:buffer"]
    assert len(masks) == FRAMES
    for index, (mask, colour, depth) in enumerate(
        zip(
            masks,
            values[f"{IMAGE}/rgb EncodedImage:blob"],
            values[f"{IMAGE}/depth EncodedDepthImage:blob"],
        )
    ):
        wanted, _ = frame(index)
        assert np.array_equal(np.array(mask[0], np.uint8).reshape(60, 80), scene(index))
        picture = cv2.imdecode(np.array(colour[0], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(picture.astype(int) - wanted.rgb).mean() < 12
        units = cv2.imdecode(np.array(depth[0], np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(units, np.rint(wanted.depth * 1000))
    assert values[f"{IMAGE}/depth EncodedDepthImage:meter"][0] == [1000.0]


def test_ids_have_the_colours_of_the_palette(values: dict[str, list[Any]]) -> None:
    ((context,),) = values["/world AnnotationContext:context"]
    classes = {one["class_description"]["info"]["id"]: one["class_description"]["info"] for one in context}
    assert classes[7]["label"] == "object 7"
    red, green, blue = palette.distinct()[7].tolist()
    assert classes[7]["color"] == red << 24 | green << 16 | blue << 8 | 255
    assert classes[0]["color"] & 255 == 0


def test_boxes_and_points_lie_where_the_ids_are(values: dict[str, list[Any]]) -> None:
    ids = values[f"{IMAGE}/boxes Boxes2D:class_ids"][0]
    assert ids == [1, 2, 3, 200]
    half = values[f"{IMAGE}/boxes Boxes2D:half_sizes"][0]
    assert half[0] == [15, 15]
    # 200 has no reading, so it has no place in space
    assert values["/world/camera/boxes Boxes3D:class_ids"][0] == [1, 2, 3]
    points = np.array(values["/world/camera/points Points3D:positions"][1])
    kinds = np.array(values["/world/camera/points Points3D:class_ids"][1])
    assert set(kinds) == {1, 2, 3}
    assert points[:, 2] == pytest.approx(2.5)
    x, y = points[kinds == 3][0][:2] * (60, 61) / 2.5 + (39, 29)
    assert (round(x), round(y)) == (5, 45)


def test_camera_time_and_curves(values: dict[str, list[Any]]) -> None:
    assert values["/world/camera Transform3D:translation"][2] == [[2, 2, 3]]
    (lens,) = values[f"{IMAGE} Pinhole:image_from_camera"]
    assert np.array(lens[0]).reshape(3, 3).T.tolist() == [[60, 0, 39], [0, 61, 29], [0, 0, 1]]
    assert values["/curves/k frame"] == [0, 1, 2]
    assert values["/curves/k time"][1].timestamp() == pytest.approx(1.7e9 + 0.1)
    assert values["/curves/k Scalars:scalars"] == [[4]] * FRAMES
    assert values["/curves/ids Scalars:scalars"] == [[4]] * FRAMES
    assert values["/curves/latency_ms Scalars:scalars"] == [[2.5]] * FRAMES
    assert values["/curves/frames_per_second Scalars:scalars"][2][0] > 0


def test_a_video_has_no_entities_in_space(tmp_path: Path) -> None:
    labels = scene(0)
    rgb = np.zeros((*labels.shape, 3), np.uint8)
    with open_sink("rerun", tmp_path, Run("x")) as sink:
        sink.write(Frame(0, "a", 0.5, rgb), Segmentation(labels, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["recording.rrd"]


def test_no_frame_no_file(tmp_path: Path) -> None:
    open_sink("rerun", tmp_path, RUN).close()
    assert not list(tmp_path.iterdir())


def listeners(group: int) -> set[str]:
    """Local addresses, in hexadecimal, on which the processes of a group listen (Linux)."""
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                inodes |= {os.readlink(link) for link in (process / "fd").iterdir()}
        except OSError:
            continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_viewer_listens_here_only_and_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    told: list[str] = []
    with open_viewer("rerun", Run("x", masks="objects", log=told.append)) as view:
        process = view.sink.process
        for index in range(30):
            view.write(*frame(index))
        assert listeners(process.pid) == {"0100007F"}
    assert process.poll() is not None
    assert not listeners(process.pid)
    assert told[0].startswith("look at http://127.0.0.1:")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_closed_viewer_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamseg.sinks import rerun as sink

    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with open_viewer("rerun", RUN) as view:
        view.write(*frame(0))
        sink.stop(view.sink.process)
        for index in range(1, 5):
            view.write(*frame(index))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(OutputError) as caught:
        open_sink("rerun", tmp_path, RUN)
    assert "streamseg[rerun]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_viewer_that_does_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamseg.sinks import rerun as sink

    monkeypatch.setattr(sink, "MEMORY", ["--no-such-flag"])
    with pytest.raises(OutputError, match="does not start"):
        open_viewer("rerun", RUN)
