"""Whether the depth of a bag lies on its colour, and with which calibration it is brought there where it does not."""

from __future__ import annotations

from typing import NamedTuple

from streamseg.sources.reading.depth import same_shape
from streamseg.sources.reading.lenses import Calibration
from streamseg.sources.ros import geometry, realsense
from streamseg.sources.ros.bagfile import BagFile
from streamseg.sources.ros.topics import Stream
from streamseg.text.asking import to_do


class Registration(NamedTuple):
    """calibration: None where depth lies on the colour already. problem: why depth is left out, "" where it is not.
    note: what people should know, "" where nothing."""

    calibration: Calibration | None
    problem: str = ""
    note: str = ""


def registration_of(bag: BagFile, colour: Stream, depth: Stream, size: tuple[int, int] | None) -> Registration:
    """Told by the topics' names and frames, or by the recorded calibration. size: (width, height) of the pictures."""
    if depth.aligned or (depth.frame and depth.frame == colour.frame and not realsense.is_realsense(depth.topic)):
        return Registration(None)
    calibration = _calibration(bag, colour, depth, size)
    if calibration is not None:
        return Registration(calibration, note="depth is registered to the colour with the recorded calibration")
    if realsense.is_realsense(depth.topic):
        return _left_out("the recording's calibration is incomplete")
    measured = depth.size or _info_size(bag, depth)
    if size is None or measured is None or same_shape(measured, size):
        why = f"nothing says that {depth.topic} is registered to {colour.topic}: it is taken for it; if it is not"
        return Registration(None, note=to_do(why, "--align-depth SCALE,DX,DY"))
    return _left_out(f"{measured[0]}x{measured[1]}, the colour is {size[0]}x{size[1]}, and no calibration ties them")


def _left_out(why: str) -> Registration:
    return Registration(
        None,
        "depth is not registered to the colour",
        to_do(f"depth is not registered to the colour and is left out: {why}", "record an aligned topic"),
    )


def _info_size(bag: BagFile, stream: Stream) -> tuple[int, int] | None:
    camera = geometry.camera_of(bag, stream)
    return camera.size if camera and all(camera.size) else None


def _calibration(bag: BagFile, colour: Stream, depth: Stream, size: tuple[int, int] | None) -> Calibration | None:
    """Both lenses and the pose between them, where the bag has all three, for pictures of the calibrated sizes."""
    seeing, measuring = geometry.camera_of(bag, colour), geometry.camera_of(bag, depth)
    if seeing is None or measuring is None or seeing.lens is None or measuring.lens is None:
        return None
    if size != seeing.size or (depth.size or measuring.size) != measuring.size:
        return None
    if realsense.is_realsense(depth.topic):
        pose = realsense.depth_to_colour(bag, depth.topic, colour.topic)
    else:
        pose = geometry.between(bag, depth.frame, colour.frame)
    if pose is None:
        return None
    rotation, translation = tuple(pose.rotation.ravel().tolist()), tuple(pose.translation.tolist())
    return Calibration(seeing.lens, measuring.lens, rotation, translation)
