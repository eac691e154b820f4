"""Bags of masks, read back by rosbags as a player would."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from streamseg.frame import Frame, Intrinsics, Segmentation
from streamseg.sinks import Run, open_sink
from streamseg.sources import Recording, open_source

from .conftest import blocks, scene

BAGS = {"bag": "masks.bag", "mcap": "masks_ros2"}
STAMP = 1305031102_175304123


def frame(index: int) -> tuple[Frame, Segmentation]:
    regions, objects = blocks(index, (60, 81)), scene(index, (60, 81))
    rgb = cv2.GaussianBlur(cv2.applyColorMap(regions, cv2.COLORMAP_JET), (0, 0), 3)
    camera = Intrinsics(60, 61, 39, 29)
    stamp = STAMP + index * 33_333_333
    return Frame(index, str(index), stamp / 1e9, rgb, camera, stamp_ns=stamp), Segmentation(regions, 4, objects)


def read(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return (time stamp in the bag, message) by topic."""
    found: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    with AnyReader([path]) as bag:
        for connection, stamp, data in bag.messages():
            found[connection.topic].append((stamp, bag.deserialize(data, connection.msgtype)))
    return found


def write(name: str, folder: Path, run: Run) -> dict[str, list[tuple[int, Any]]]:
    with open_sink(name, folder, run) as sink:
        for index in range(3):
            sink.write(*frame(index))
        assert not [path for path in folder.rglob("*") if path.is_file() and "partial" not in str(path)]
    assert [path.name for path in folder.iterdir()] == [BAGS[name]]
    return read(folder / BAGS[name])


@pytest.mark.parametrize("name", BAGS)
def test_masks_come_back_with_the_frames_stamps(name: str, tmp_path: Path) -> None:
    found = write(name, tmp_path, Run("x", masks="objects"))
    for topic in ("regions", "objects"):
        messages = found[f"/streamseg/{topic}"]
        assert len(messages) == 3
        for index, (stamp, one) in enumerate(messages):
            whole, segmentation = frame(index)
            assert stamp == one.header.stamp.sec * 10**9 + one.header.stamp.nanosec == whole.stamp_ns
            assert (one.encoding, one.height, one.width, one.step) == ("mono8", 60, 81, 81)
            assert np.array_equal(one.data.reshape(60, 81), segmentation.mask(topic))


@pytest.mark.parametrize("name", BAGS)
def test_colour_is_written_unless_the_source_is_a_bag(name: str, tmp_path: Path) -> None:
    found = write(name, tmp_path, Run("x"))
    for index, (_, one) in enumerate(found["/camera/color/image_raw/compressed"]):
        rgb = cv2.imdecode(one.data, cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(rgb.astype(int) - frame(index)[0].rgb).mean() < 6
    (_, info), *_ = found["/camera/color/camera_info"]
    assert list(info.K if name == "bag" else info.k) == [60, 0, 39, 0, 61, 29, 0, 0, 1]
    assert cv2.imdecode(found["/streamseg/overlay/compressed"][0][1].data, cv2.IMREAD_COLOR).shape == (60, 81, 3)


def test_a_bag_is_not_copied(tmp_path: Path) -> None:
    found = write("bag", tmp_path, Run("x", source_kind="bag"))
    assert set(found) == {"/streamseg/regions", "/streamseg/objects", "/streamseg/overlay/compressed"}


@pytest.mark.parametrize("name", BAGS)
def test_no_frames_no_bag(name: str, tmp_path: Path) -> None:
    open_sink(name, tmp_path, Run("x")).close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", BAGS)
@pytest.mark.parametrize("stamp", [float("nan"), -5.0, 0.0])
def test_time_stamps_that_no_bag_allows(name: str, stamp: float, tmp_path: Path) -> None:
    labels = scene(0)
    with open_sink(name, tmp_path, Run("x")) as sink:
        sink.write(Frame(0, "a", stamp, np.zeros((*labels.shape, 3), np.uint8)), Segmentation(labels, 4))
    ((stamped, one),) = read(tmp_path / BAGS[name])["/streamseg/regions"]
    assert stamped == 1
    assert (one.header.stamp.sec, one.header.stamp.nanosec) == (0, 0)


@pytest.mark.parametrize("name", BAGS)
def test_a_bag_of_ours_opens_with_the_same_frames(name: str, tmp_path: Path) -> None:
    write(name, tmp_path, Run("x"))
    with open_source(str(tmp_path / BAGS[name])) as source:
        assert isinstance(source, Recording)
        assert "/camera/color/image_raw/compressed" in source.notes[0]
        for index in range(3):
            wanted, _ = frame(index)
            assert source[index].nanoseconds == wanted.stamp_ns
            assert source[index].intrinsics == wanted.intrinsics
            assert np.abs(source[index].rgb.astype(int) - wanted.rgb).mean() < 6
