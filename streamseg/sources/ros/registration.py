"""Finds out whether the depth of a bag is registered to its colour, and otherwise the calibration to register it."""

from __future__ import annotations

from typing import NamedTuple

from streamseg.sources.reading.depth import same_shape
from streamseg.sources.reading.lenses import Calibration
from streamseg.sources.ros import geometry, realsense
from streamseg.sources.ros.bagfile import BagFile
from streamseg.sources.ros.topics import Stream
from streamseg.text.asking import to_do


class Registration(NamedTuple):
    """How depth is registered to the colour.

    calibration: None if depth is registered already, or left out. problem: why depth is left out; "" if it is used.
    note: for the user; "" if there is none.
    """

    calibration: Calibration | None
    problem: str = ""
    note: str = ""


def registration_of(bag: BagFile, colour: Stream, depth: Stream, size: tuple[int, int] | None) -> Registration:
    """Return how to register `depth` to `colour`, by the names and frames of the topics or the recorded calibration.

    size: (width, height) of the colour images; None if unknown.
    """
    if depth.aligned or (depth.frame and depth.frame == colour.frame and not realsense.is_realsense(depth.topic)):
        return Registration(None)
    calibration = _calibration(bag, colour, depth, size)
    if calibration is not None:
        return Registration(calibration, note="depth is registered to the colour with the recorded calibration")
    if realsense.is_realsense(depth.topic):
        return _left_out("the recording's calibration is incomplete")
    depth_size = depth.size or _calibrated_size(bag, depth)
    if size is None or depth_size is None or same_shape(depth_size, size):
        why = f"nothing says that {depth.topic} is registered to {colour.topic}: it is taken for it; if it is not"
        return Registration(None, note=to_do(why, "--align-depth SCALE,DX,DY"))
    return _left_out(
        f"{depth_size[0]}x{depth_size[1]}, the colour is {size[0]}x{size[1]}, and no calibration ties them"
    )


def _left_out(why: str) -> Registration:
    return Registration(
        None,
        "depth is not registered to the colour",
        to_do(f"depth is not registered to the colour and is left out: {why}", "record an aligned topic"),
    )


def _calibrated_size(bag: BagFile, stream: Stream) -> tuple[int, int] | None:
    camera = geometry.camera_of(bag, stream)
    return camera.size if camera and all(camera.size) else None


def _calibration(bag: BagFile, colour: Stream, depth: Stream, size: tuple[int, int] | None) -> Calibration | None:
    """Return the lenses and the pose between them; None if the bag lacks one, or images have another size."""
    colour_camera, depth_camera = geometry.camera_of(bag, colour), geometry.camera_of(bag, depth)
    if colour_camera is None or depth_camera is None or colour_camera.lens is None or depth_camera.lens is None:
        return None
    if size != colour_camera.size or (depth.size or depth_camera.size) != depth_camera.size:
        return None
    if realsense.is_realsense(depth.topic):
        pose = realsense.depth_to_colour(bag, depth.topic, colour.topic)
    else:
        pose = geometry.between(bag, depth.frame, colour.frame)
    if pose is None:
        return None
    rotation, translation = tuple(pose.rotation.ravel().tolist()), tuple(pose.translation.tolist())
    return Calibration(colour_camera.lens, depth_camera.lens, rotation, translation)
