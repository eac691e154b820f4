"""Topics as a source, with messages that are handed over without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.ros.topics import Names, Topics
from streamseg.sources import Options


class Node:
    """A node without publishers."""

    def resolve_topic_name(self, name: str) -> str:
        return f"/{name}"

    def create_timer(self, seconds: float, callback: Any) -> Any:
        return SimpleNamespace(cancel=lambda: None)


def message(values: np.ndarray, encoding: str) -> Any:
    height, width = values.shape[:2]
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0), frame_id="camera"),
        encoding=encoding,
        height=height,
        width=width,
        step=values.strides[0],
        is_bigendian=0,
        data=np.ascontiguousarray(values).view(np.uint8).ravel(),
    )


def frames(options: Options, millimetres: int) -> Iterator[Any]:
    """One frame whose depth lies at `millimetres` everywhere."""
    with Topics(Node(), Names(), options) as topics:
        topics._newest.paired = True
        topics._on_depth(message(np.full((6, 8), millimetres, np.uint16), "16UC1"))
        topics._on_image(message(np.zeros((6, 8, 3), np.uint8), "rgb8"))
        yield from topics


@pytest.mark.parametrize(("units", "refused"), [(1e6, True), (1.0, True), (500.0, False)])
def test_a_given_depth_scale_is_judged_by_the_first_frame(units: float, refused: bool) -> None:
    frame = next(frames(Options(depth_scale=units), 1000))
    if refused:
        with pytest.raises(SourceError, match="half of its depth would lie"):
            frame.depth  # noqa: B018 - depth is decoded on first access
    else:
        assert frame.depth[3, 4] == pytest.approx(2.0)


def test_the_units_of_ros_are_not_judged() -> None:
    assert next(frames(Options(), 65_000)).depth[3, 4] == pytest.approx(65.0)


@pytest.mark.parametrize(
    ("topic", "fx"), [("camera/image_raw", 5.0), ("camera/image_rect", 7.0), ("camera/image_rect/compressed", 7.0)]
)
def test_rectified_images_have_the_intrinsics_of_p(topic: str, fx: float) -> None:
    k, p = np.diag([5.0, 5.0, 1.0]), np.diag([7.0, 7.0, 1.0])
    k[:2, 2] = p[:2, 2] = 3.5, 2.5
    info = SimpleNamespace(
        k=k.ravel(),
        p=np.column_stack([p, np.zeros(3)]).ravel(),
        d=[0.1, 0.0, 0.0, 0.0, 0.0],
        distortion_model="plumb_bob",
        width=8,
        height=6,
    )
    with Topics(Node(), Names(topic), Options()) as topics:
        topics._on_info(info)
        topics._on_image(message(np.zeros((6, 8, 3), np.uint8), "rgb8"))
        assert next(iter(topics)).intrinsics == Intrinsics(fx, fx, 3.5, 2.5)
