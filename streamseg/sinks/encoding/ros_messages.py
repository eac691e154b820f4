"""Convert the masks of a frame to messages of ROS 1 or ROS 2, with the types of the package rosbags.

    /streamseg/regions  /streamseg/objects      mono8, the ids; 0 = background of objects, 255 = void of regions
    /streamseg/overlay/compressed               JPEG to look at, because ids as grey values are too dark
    /camera/color/image_raw/compressed          JPEG, not if the source is a bag, which contains the images
    /camera/color/camera_info                   intrinsics, not if the source is a bag

All messages have the time stamp of the frame, so that they can be played and paired with the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from streamseg.frame import Frame, Intrinsics, Segmentation
from streamseg.masks import drawing
from streamseg.masks.encoding import jpeg
from streamseg.sinks import Run

MASKS, CAMERA = "/streamseg", "/camera/color"
FRAME_ID = "camera_color_optical_frame"
IMAGE, COMPRESSED, CAMERA_INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))
QUALITY = 85
NANOSECONDS = 10**9


class Message(NamedTuple):
    """A message for a bag. kind: its type, e.g. "sensor_msgs/msg/Image"."""

    topic: str
    kind: str
    content: Any


class RosMessages:
    """Makes the messages of a run. version: of ROS, 1 or 2. types: the `Typestore` that serializes them."""

    def __init__(self, version: int, run: Run) -> None:
        from rosbags.typesys import Stores, get_typestore

        self.version, self.run = version, run
        self.types = get_typestore(Stores.ROS1_NOETIC if version == 1 else Stores.ROS2_HUMBLE)
        self._connections: dict[str, Any] = {}
        self._count = 0

    def write(self, writer: Any, frame: Frame, segmentation: Segmentation) -> None:
        """Write the messages of a frame into a bag. writer: a `Writer` of rosbags."""
        serialize = self.types.serialize_ros1 if self.version == 1 else self.types.serialize_cdr
        stamp = max(1, frame.nanoseconds)  # times in a bag must be positive
        for topic, kind, content in self.of(frame, segmentation):
            if topic not in self._connections:
                self._connections[topic] = writer.add_connection(topic, kind, typestore=self.types)
            writer.write(self._connections[topic], stamp, serialize(content, kind))

    @property
    def any(self) -> bool:
        """Whether a message was written."""
        return bool(self._connections)

    def of(self, frame: Frame, segmentation: Segmentation) -> Iterator[Message]:
        """Yield the messages of one frame."""
        header = self._header(frame)
        yield Message(f"{MASKS}/regions", IMAGE, self._mono8(header, segmentation.regions))
        if segmentation.objects is not None:
            yield Message(f"{MASKS}/objects", IMAGE, self._mono8(header, segmentation.objects))
        picture = drawing.overlay(frame.rgb, segmentation.mask(self.run.masks), self.run.alpha)
        yield Message(f"{MASKS}/overlay/compressed", COMPRESSED, self._jpeg(header, picture))
        if self.run.source_kind != "bag":
            yield Message(f"{CAMERA}/image_raw/compressed", COMPRESSED, self._jpeg(header, frame.rgb))
            if frame.intrinsics is not None:
                info = self._camera_info(header, frame.intrinsics, frame.rgb.shape[:2])
                yield Message(f"{CAMERA}/camera_info", CAMERA_INFO, info)
        self._count += 1

    def _make(self, kind: str, **fields: Any) -> Any:
        return self.types.types[kind](**fields)

    def _header(self, frame: Frame) -> Any:
        seconds, rest = divmod(max(0, frame.nanoseconds), NANOSECONDS)
        stamp = self._make("builtin_interfaces/msg/Time", sec=seconds, nanosec=rest)
        count = {"seq": self._count} if self.version == 1 else {}
        return self._make("std_msgs/msg/Header", stamp=stamp, frame_id=FRAME_ID, **count)

    def _mono8(self, header: Any, labels: np.ndarray) -> Any:
        height, width = labels.shape
        return self._make(
            IMAGE, header=header, height=height, width=width, encoding="mono8", is_bigendian=0, step=width,
            data=np.ascontiguousarray(labels).ravel(),
        )  # fmt: skip

    def _jpeg(self, header: Any, rgb: np.ndarray) -> Any:
        return self._make(COMPRESSED, header=header, format="jpeg", data=np.frombuffer(jpeg(rgb, QUALITY), np.uint8))

    def _camera_info(self, header: Any, camera: Intrinsics, size: tuple[int, int]) -> Any:
        fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
        matrices = {
            "d": np.zeros(5), "k": np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1.0]), "r": np.eye(3).ravel(),
            "p": np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1.0, 0]),
        }  # fmt: skip
        if self.version == 1:
            matrices = {name.upper(): value for name, value in matrices.items()}
        whole_image = self._make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self._make(
            CAMERA_INFO, header=header, height=size[0], width=size[1], distortion_model="plumb_bob", **matrices,
            binning_x=0, binning_y=0, roi=whole_image,
        )  # fmt: skip
