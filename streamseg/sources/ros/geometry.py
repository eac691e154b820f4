"""Reads the cameras of a bag: intrinsics from CameraInfo, and the pose between two cameras from /tf_static."""

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
BROWN_CONRADY = (
    "plumb_bob",
    "rational_polynomial",
    "brown conrady",
    "inverse brown conrady",
    "modified brown conrady",
    "none",
    "",
)
RADIUS = 1.7  # in the plane z = 1, which is a lens of 120 degrees: farther out the polynomials are not monotonic


class Camera(NamedTuple):
    """A calibrated camera. size: (width, height) of its images. lens: None if its distortion model is not
    Brown-Conrady."""

    pinhole: Intrinsics
    size: tuple[int, int]
    lens: Lens | None


def camera_of(bag: BagFile, stream: Stream) -> Camera | None:
    """Return the camera of an image topic, from the CameraInfo topic that belongs to it; None if there is none, or it
    is not calibrated (K is zero)."""
    for name in info_topics(stream.base):
        topic = bag.topics.get(name)
        info = bag.first(name) if topic is not None and topic.type == INFO else None
        if info is not None:
            return camera_from(info, rectified=is_rectified(stream.base))
    return None


def is_rectified(topic: str) -> bool:
    """Return whether images have no distortion, by the name of their topic without the suffix of image_transport."""
    return "rect" in topic.rsplit("/", 1)[-1]


def info_topics(base: str) -> Iterable[str]:
    """Yield the topics on which image_transport, realsense-ros and librealsense publish the CameraInfo of `base`."""
    parent = base.rsplit("/", 1)[0]
    yield f"{parent}/camera_info"
    yield f"{base}/camera_info"
    if parent.endswith("/image"):  # librealsense: X/image/data and X/info/camera_info
        yield f"{parent[: -len('/image')]}/info/camera_info"


def camera_from(info: Any, rectified: bool = False) -> Camera | None:
    """Return the camera in a CameraInfo message; None if it is not calibrated. rectified: the images have no
    distortion, so that P applies instead of K."""
    matrix = np.asarray(info.P if hasattr(info, "P") else info.p, float).reshape(3, 4)
    if not (rectified and matrix[0, 0] > 0):
        matrix, rectified = np.asarray(info.K if hasattr(info, "K") else info.k, float).reshape(3, 3), False
    pinhole = Intrinsics(*(float(value) for value in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])))
    if not (all(map(math.isfinite, vars(pinhole).values())) and pinhole.fx > 0 and pinhole.fy > 0):
        return None
    distortion = np.asarray(info.D if hasattr(info, "D") else info.d, float).ravel()
    is_known_model = str(info.distortion_model).lower() in BROWN_CONRADY
    supported = is_known_model and len(distortion) <= 8 and np.isfinite(distortion).all()
    coefficients = np.zeros(8)
    if supported and not rectified:
        coefficients[: len(distortion)] = distortion
    lens = Lens(pinhole, tuple(coefficients.tolist()), RADIUS) if supported or rectified else None
    return Camera(pinhole, (int(info.width), int(info.height)), lens)


class Pose(NamedTuple):
    """A rigid transform: point p of one frame is rotation p + translation in the other. rotation: (3, 3). translation:
    (3,) [m]."""

    rotation: np.ndarray
    translation: np.ndarray

    def after(self, first: Pose) -> Pose:
        """Return the transform that applies `first`, then this one."""
        return Pose(self.rotation @ first.rotation, self.rotation @ first.translation + self.translation)

    @property
    def inverse(self) -> Pose:
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)


def pose_of(transform: Any) -> Pose:
    """Return the pose in a geometry_msgs Transform. Raises ValueError if its quaternion or translation is invalid."""
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
    """Return the pose that transforms points of frame `start` to frame `end`, from /tf_static; None if no path connects
    them."""
    edges: dict[str, list[tuple[str, Pose]]] = {}
    try:
        for message in bag.messages("/tf_static"):
            for item in bag.parse(message).transforms:
                pose, parent, child = pose_of(item.transform), item.header.frame_id, item.child_frame_id
                edges.setdefault(child.lstrip("/"), []).append((parent.lstrip("/"), pose))
                edges.setdefault(parent.lstrip("/"), []).append((child.lstrip("/"), pose.inverse))
    except Exception:  # rosbags may raise any for a damaged message
        return None
    return _path(edges, start.lstrip("/"), end.lstrip("/"))


def _path(edges: dict[str, list[tuple[str, Pose]]], start: str, end: str) -> Pose | None:
    """Return the pose along the shortest path from `start` to `end`, by breadth-first search; None if there is none."""
    poses = {start: Pose(np.eye(3), np.zeros(3))}
    queue = [start]
    while queue and end not in poses:
        frame = queue.pop(0)
        for neighbour, step in edges.get(frame, ()):
            if neighbour not in poses:
                poses[neighbour] = step.after(poses[frame])
                queue.append(neighbour)
    return poses.get(end)
