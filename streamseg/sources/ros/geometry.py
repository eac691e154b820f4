"""Cameras of a bag: intrinsics from CameraInfo, and how the depth camera stands to the colour camera (tf_static)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from streamseg.frame import Intrinsics
from streamseg.sources.reading.lenses import Lens
from streamseg.sources.ros.bagfile import BagFile
from streamseg.sources.ros.topics import Stream

INFO = "sensor_msgs/msg/CameraInfo"
MODELS = (
    "plumb_bob",
    "rational_polynomial",
    "brown conrady",
    "inverse brown conrady",
    "modified brown conrady",
    "none",
    "",
)
RADIUS = 1.7  # of the unit plane, a lens of 120 degrees: beyond, the polynomials fold back


class Camera(NamedTuple):
    """A calibrated camera. size: (width, height) that it belongs to. lens: None where its model is another than
    Brown-Conrady's."""

    pinhole: Intrinsics
    size: tuple[int, int]
    lens: Lens | None


def camera_of(bag: BagFile, stream: Stream) -> Camera | None:
    """The camera of an image topic: of the CameraInfo topic that stands beside it. None where there is none, or it is
    not calibrated (K is zero)."""
    for name in info_topics(stream.base):
        topic = bag.topics.get(name)
        info = bag.first(name) if topic is not None and topic.type == INFO else None
        if info is not None:
            return camera_from(info, rectified="rect" in stream.base.rsplit("/", 1)[-1])
    return None


def info_topics(base: str) -> Iterable[str]:
    """Where image_transport, realsense-ros and librealsense put the CameraInfo of image topic `base`."""
    parent = base.rsplit("/", 1)[0]
    yield f"{parent}/camera_info"
    yield f"{base}/camera_info"
    if parent.endswith("/image"):  # librealsense: X/image/data and X/info/camera_info
        yield f"{parent[: -len('/image')]}/info/camera_info"


def camera_from(info: Any, rectified: bool = False) -> Camera | None:
    """A parsed CameraInfo. rectified: whether the pictures are without distortion, so that P holds instead of K."""
    matrix = np.asarray(info.P if hasattr(info, "P") else info.p, float).reshape(3, 4)
    if not (rectified and matrix[0, 0] > 0):
        matrix, rectified = np.asarray(info.K if hasattr(info, "K") else info.k, float).reshape(3, 3), False
    pinhole = Intrinsics(*(float(value) for value in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])))
    if not (all(map(math.isfinite, vars(pinhole).values())) and pinhole.fx > 0 and pinhole.fy > 0):
        return None
    given = np.asarray(info.D if hasattr(info, "D") else info.d, float).ravel()
    coefficients = np.zeros(8)
    known = str(info.distortion_model).lower() in MODELS and len(given) <= 8 and np.isfinite(given).all()
    if known and not rectified:
        coefficients[: len(given)] = given
    lens = Lens(pinhole, tuple(coefficients.tolist()), RADIUS) if known or rectified else None
    return Camera(pinhole, (int(info.width), int(info.height)), lens)


class Pose(NamedTuple):
    """A point p of one frame is rotation p + translation [m] in the other. rotation: (3, 3)."""

    rotation: np.ndarray
    translation: np.ndarray

    def after(self, first: Pose) -> Pose:
        """This one behind `first`."""
        return Pose(self.rotation @ first.rotation, self.rotation @ first.translation + self.translation)

    @property
    def inverse(self) -> Pose:
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)


def pose_of(transform: Any) -> Pose:
    """A parsed geometry_msgs Transform. Raises ValueError where its quaternion is none."""
    x, y, z, w = (float(getattr(transform.rotation, name)) for name in "xyzw")
    shift = np.array([getattr(transform.translation, name) for name in "xyz"], float)
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not (0.5 < length < 2 and np.isfinite(shift).all()):
        raise ValueError("no quaternion")
    x, y, z, w = (value / length for value in (x, y, z, w))
    rotation = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return Pose(np.array(rotation), shift)


def between(bag: BagFile, start: str, end: str) -> Pose | None:
    """The pose that takes points of optical frame `start` to `end` along /tf_static; None where no path leads there."""
    edges: dict[str, list[tuple[str, Pose]]] = {}
    try:
        for message in bag.messages("/tf_static"):
            for item in bag.parse(message).transforms:
                pose, parent, child = pose_of(item.transform), item.header.frame_id, item.child_frame_id
                edges.setdefault(child.lstrip("/"), []).append((parent.lstrip("/"), pose))
                edges.setdefault(parent.lstrip("/"), []).append((child.lstrip("/"), pose.inverse))
    except Exception:  # a damaged or unusual message: nothing is known then
        return None
    return _path(edges, start.lstrip("/"), end.lstrip("/"))


def _path(edges: dict[str, list[tuple[str, Pose]]], start: str, end: str) -> Pose | None:
    found = {start: Pose(np.eye(3), np.zeros(3))}
    waiting = [start]
    while waiting and end not in found:
        here = waiting.pop(0)
        for there, step in edges.get(here, ()):
            if there not in found:
                found[there] = step.after(found[here])
                waiting.append(there)
    return found.get(end)
