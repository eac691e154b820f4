"""ROS 2 topics as a live source: the newest image, the depth frame of the same time, and the camera intrinsics."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Frame
from streamseg.ros.pairing import PATIENCE, Arrival, Newest
from streamseg.sources import DepthScale, LiveSource, Options, Skip
from streamseg.sources.reading.cameras import Given, fitted
from streamseg.sources.reading.depth import check_first_frame, resized, same_shape
from streamseg.sources.ros.depths import metres_of, units_of
from streamseg.sources.ros.geometry import camera_from, is_rectified
from streamseg.sources.ros.index import BILLION
from streamseg.sources.ros.pictures import rgb_of
from streamseg.text.asking import to_do

POLL = 0.2  # seconds between two searches for publishers
HEADERS = 500  # headers that are kept for frames that are not published yet
LISTED = 1000  # damaged messages that run.json lists; further ones are dropped without an entry


class Names(NamedTuple):
    """Names of topics. camera_info: "" = camera_info in the namespace of the image."""

    image: str = "image"
    depth: str = "depth"
    camera_info: str = ""


class Topics(LiveSource):
    """Frames as they arrive, with the time stamps of their headers.

    A topic is subscribed to when it has a publisher, because only then its type, Image or CompressedImage, and its
    reliability are known.
    """

    kind = "ros"

    def __init__(self, node: Any, names: Names, options: Options) -> None:
        self._node, self._options = node, options
        self._scale_checked = options.depth_scale is None  # ROS's own units need no check
        image = node.resolve_topic_name(names.image)
        base = image.removesuffix("/compressed")
        default_info = base.rpartition("/")[0] + "/camera_info"
        by_role = {"image": image, "depth": names.depth, "camera_info": names.camera_info or default_info}
        self._topics = {role: node.resolve_topic_name(name) for role, name in by_role.items() if name}
        self.uri, self._rectified = image, is_rectified(base)
        self._newest = Newest()
        self._info: Any = None
        self._headers: deque[tuple[int, Any]] = deque(maxlen=HEADERS)
        self._ended = threading.Event()
        self._subscribed: dict[str, Any] = {}
        self._timer = node.create_timer(POLL, self._subscribe)

    def wait(self, log: Callable[[str], None]) -> None:
        """Wait for the first image, which defines `frame_size`, and up to PATIENCE longer for depth and intrinsics.

        log: takes one line per call. Raises SourceError if the image cannot be read.
        """
        began, logged, image_came = time.monotonic(), False, math.inf
        while True:
            image, depth = self._newest.peek()
            if image is not None:
                image_came = min(image_came, time.monotonic())
                if (depth is not None and self._info is not None) or time.monotonic() > image_came + PATIENCE:
                    break
            elif not logged and time.monotonic() - began > 1:
                log(f"note: waiting for images on {self.uri}")
                logged = True
            if self._ended.wait(0.05):
                return
        try:
            height, width = rgb_of(image).shape[:2]
        except FrameError as problem:
            raise SourceError(f"images of {self.uri} cannot be read: {problem}", "give a colour topic") from None
        self.frame_size = height, width
        log(f"note: topics: colour {self.uri}, depth {self._topics['depth'] if depth is not None else 'none so far'}")
        camera = image.header.frame_id
        depth_camera = camera if depth is None else depth.header.frame_id
        if depth_camera != camera:
            why = f"colour is of {camera!r}, depth of {depth_camera!r}: it is assumed to be registered to the colour"
            ask = to_do(f"{why}; if it is not, let the camera's driver align it, or", "--align-depth SCALE,DX,DY")
            self.notes = (*self.notes, ask)

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while not self._ended.is_set():
            arrived = self._newest.take(timeout=0.1)
            if arrived is None:
                continue
            try:
                frame = self._frame(index, *arrived)
            except FrameError as problem:
                if len(self.skipped) < LISTED:
                    self.skipped += (Skip(f"{index:05d}", str(problem)),)
                continue
            self._headers.append((index, arrived[0].header))
            yield frame
            index += 1

    def header_of(self, index: int) -> Any:
        """Return the header of the message of frame `index`, which is one of the last HEADERS frames."""
        return next(header for frame_index, header in reversed(self._headers) if frame_index == index)

    def close(self) -> None:
        self._ended.set()
        self._timer.cancel()

    def _frame(self, index: int, image: Any, depth: Any) -> Frame:
        rgb = rgb_of(image)
        stamp = _nanoseconds(image)
        problem = "" if depth is not None else "no depth frame within 0.02 s"
        if "depth" not in self._subscribed:
            problem = "nobody publishes depth"
        load = None if depth is None else partial(self._metres, depth, rgb.shape[:2])
        return Frame(
            index,
            f"{index:05d}",
            stamp / BILLION,
            rgb,
            intrinsics=self._options.intrinsics or self._intrinsics((rgb.shape[1], rgb.shape[0])),
            load_depth=self._options.aligned(load),
            depth_problem=problem,
            stamp_ns=stamp,
        )

    def _metres(self, depth: Any, size: tuple[int, int]) -> np.ndarray:
        scale = DepthScale.choose(self._options, units_of(depth), "ROS's convention")
        self.depth_scale, self.depth_scale_origin, _ = scale
        metres = metres_of(depth, scale.units_per_metre)
        self._scale_checked = self._scale_checked or check_first_frame(self.uri, metres, scale)
        if not same_shape(metres.shape[::-1], size[::-1]):
            raise FrameError("depth is not registered to the colour: it has another shape")
        return resized(metres, size[::-1])

    def _intrinsics(self, size: tuple[int, int]) -> Any:
        camera = None if self._info is None else camera_from(self._info, self._rectified)
        if camera is None:
            return None
        return fitted(Given(camera.pinhole, camera.size if all(camera.size) else None), size, "CameraInfo").intrinsics

    def _subscribe(self) -> None:
        """Subscribe to each topic that has a publisher by now. Called by the node's executor."""
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        types = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
        callbacks = {"image": self._on_image, "depth": self._on_depth, "camera_info": self._on_info}
        for role in self._topics.keys() - self._subscribed.keys():
            publishers = self._node.get_publishers_info_by_topic(self._topics[role])
            allowed = types if role != "camera_info" else {"sensor_msgs/msg/CameraInfo": CameraInfo}
            publishers = [publisher for publisher in publishers if publisher.topic_type in allowed]
            if not publishers:
                continue
            reliable = all(one.qos_profile.reliability == ReliabilityPolicy.RELIABLE for one in publishers)
            quality = QoSProfile(
                depth=5, reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
            )
            message_type = allowed[publishers[0].topic_type]
            self._newest.paired = self._newest.paired or role == "depth"
            self._subscribed[role] = self._node.create_subscription(
                message_type, self._topics[role], callbacks[role], quality
            )
        if len(self._subscribed) == len(self._topics):
            self._timer.cancel()

    def _on_image(self, message: Any) -> None:
        self._newest.put_image(Arrival(_nanoseconds(message), time.monotonic(), message))

    def _on_depth(self, message: Any) -> None:
        self._newest.put_depth(Arrival(_nanoseconds(message), time.monotonic(), message))

    def _on_info(self, message: Any) -> None:
        self._info = message


def _nanoseconds(message: Any) -> int:
    return int(message.header.stamp.sec) * BILLION + int(message.header.stamp.nanosec)
