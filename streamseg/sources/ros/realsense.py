"""Reads the topics that only RealSense recordings have (librealsense's .bag, and .db3 since 2026): the unit of depth,
the pose of each stream, and the camera's clock.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from streamseg.sources.ros.bagfile import BagFile
from streamseg.sources.ros.geometry import Pose, pose_of

STREAM = re.compile(r"(?P<device>/device_\d+)/sensor_\d+/[^/]+_\d+")
_UNITS = re.compile(r"/device_\d+/sensor_\d+/option/Depth[_ ]Units/value")


def is_realsense(topic: str) -> bool:
    return STREAM.match(topic) is not None


def units_per_metre(bag: BagFile) -> float | None:
    """Return the depth scale by the camera's option "Depth Units"; None if the recording lacks it."""
    for name in bag.topics:
        if _UNITS.fullmatch(name):
            message = bag.first(name)
            try:
                units = float(message.data)
            except (AttributeError, ValueError):
                return None
            return round(1 / units, 3) if 1e-6 < units < 1 else None
    return None


def depth_to_colour(bag: BagFile, depth: str, colour: str) -> Pose | None:
    """Return the pose that transforms points of topic `depth` to topic `colour`; None if the recording lacks it. Both
    poses are stored relative to one reference stream."""
    poses = [_from_reference(bag, topic) for topic in (depth, colour)]
    return None if poses[0] is None or poses[1] is None else poses[1].after(poses[0].inverse)


def _from_reference(bag: BagFile, topic: str) -> Pose | None:
    """Return the pose that transforms points of the reference stream to the stream of `topic`; None if unknown."""
    stream = STREAM.match(topic)
    if stream is None:
        return None
    for name in bag.topics:
        if re.fullmatch(re.escape(stream[0]) + r"/tf/(ref_)?\d+", name):
            message = bag.first(name)
            try:
                return pose_of(message) if hasattr(message, "rotation") else _parse_pose(message.data)
            except (AttributeError, ValueError):
                return None
    return None


def _parse_pose(text: str) -> Pose:
    """Parse "rotation=r0,...,r8;translation=x,y,z", whose rotation is column by column. Raises ValueError."""
    fields = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    rotation = np.array([float(number) for number in fields.get("rotation", "").split(",")])
    translation = np.array([float(number) for number in fields.get("translation", "").split(",")])
    if rotation.shape != (9,) or translation.shape != (3,) or not np.isfinite([*rotation, *translation]).all():
        raise ValueError("no pose")
    return Pose(rotation.reshape(3, 3).T, translation)


def clock(bag: BagFile, topic: str) -> dict[int, int]:
    """Return time of reception [ns] -> time of the camera [ns] for the messages of an image topic in a .db3; {} without
    metadata. In a .bag, the header of a message has the time of the camera."""
    stream = STREAM.match(topic)
    name = f"{stream[0]}/image/metadata" if stream else ""
    camera_times: dict[int, int] = {}
    if name in bag.topics and bag.topics[name].type == "std_msgs/msg/String":
        try:
            for message in bag.messages(name):
                milliseconds: Any = re.search(r"(?:^|;)timestamp=([\d.]+)", bag.parse(message).data)
                if milliseconds:
                    camera_times[message.time] = round(float(milliseconds[1]) * 1e6)
        except Exception:  # rosbags may raise any for a damaged message
            return camera_times
    return camera_times
