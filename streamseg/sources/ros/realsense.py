"""What RealSense recordings (librealsense's .bag, and .db3 since 2026) say in topics of their own.

The depth's unit, where each stream stands, and the camera's clock.
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
    """What the camera's option "Depth Units" says; None where the recording lacks it."""
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
    """The pose that takes points of the depth stream to the colour stream, of their topics' names: both are given
    against one reference stream."""
    poses = [_from_reference(bag, topic) for topic in (depth, colour)]
    return None if poses[0] is None or poses[1] is None else poses[1].after(poses[0].inverse)


def _from_reference(bag: BagFile, topic: str) -> Pose | None:
    """A point p of the reference stream is R p + t in the stream of `topic`."""
    stream = STREAM.match(topic)
    if stream is None:
        return None
    for name in bag.topics:
        if re.fullmatch(re.escape(stream[0]) + r"/tf/(ref_)?\d+", name):
            message = bag.first(name)
            try:
                return pose_of(message) if hasattr(message, "rotation") else _written(message.data)
            except (AttributeError, ValueError):
                return None
    return None


def _written(text: str) -> Pose:
    """ "rotation=r0,...,r8;translation=x,y,z", column by column. Raises ValueError."""
    fields = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    rotation, shift = (
        np.array([float(v) for v in fields.get(key, "").split(",")]) for key in ("rotation", "translation")
    )
    if rotation.shape != (9,) or shift.shape != (3,) or not np.isfinite([*rotation, *shift]).all():
        raise ValueError("no pose")
    return Pose(rotation.reshape(3, 3).T, shift)


def clock(bag: BagFile, topic: str) -> dict[int, int]:
    """Camera time [ns] of each message of a .db3's image topic by the time at which it was received; {} where no
    metadata tell. (In a .bag the header has it.)"""
    stream = STREAM.match(topic)
    name = f"{stream[0]}/image/metadata" if stream else ""
    found: dict[int, int] = {}
    if name in bag.topics and bag.topics[name].type == "std_msgs/msg/String":
        try:
            for message in bag.messages(name):
                said: Any = re.search(r"(?:^|;)timestamp=([\d.]+)", bag.parse(message).data)
                if said:
                    found[message.time] = round(float(said[1]) * 1e6)
        except Exception:  # damaged: what was read by then holds
            return found
    return found
