"""Publishes masks on topics below the node's name, with the header of their image.

    ~/regions  ~/objects   sensor_msgs/Image, mono8 or mono16: the ids; 0 = background of objects; void of regions is
                           255, or 65535 in mono16
    ~/overlay              sensor_msgs/Image, rgb8: the masks over the image
    ~/detections_2d  ~/detections_3d  ~/label_info     of vision_msgs, if it is installed: see `ros.detections`

A message is made only if its topic has a subscriber; label_info is latched and always published.
"""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np

from streamseg.frame import VOID, Frame, Segmentation
from streamseg.masks import drawing
from streamseg.ros.detections import Detections, vision_messages
from streamseg.sinks import Sink

UNLABELLED = 65535
"""Void in 16-bit masks, the number that vision_msgs/LabelInfo defines for it."""
QUEUE = 5  # messages that a publisher queues


class Publisher(Sink):
    """A sink that publishes. header_of: returns the header of a frame by its index. objects: whether objects are found.
    encoding: of the masks, "mono8" or "mono16". masks: the kind that the overlay shows, see `Segmentation.mask`. alpha:
    opacity of the overlay, 0 ... 1."""

    def __init__(
        self, node: Any, header_of: Callable[[int], Any], objects: bool, encoding: str, masks: str, alpha: float
    ) -> None:
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from sensor_msgs.msg import Image

        self._header_of, self._encoding, self._masks, self._alpha = header_of, encoding, masks, alpha
        self._image_type = Image
        names = ("regions", "objects", "overlay") if objects else ("regions", "overlay")
        self._publishers = {name: node.create_publisher(Image, f"~/{name}", QUEUE) for name in names}
        vision = vision_messages() if objects else None
        self._detections = None if vision is None else Detections(vision)
        if vision is not None:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._publishers["detections_2d"] = node.create_publisher(vision.Detection2DArray, "~/detections_2d", QUEUE)
            self._publishers["detections_3d"] = node.create_publisher(vision.Detection3DArray, "~/detections_3d", QUEUE)
            self._publishers["label_info"] = node.create_publisher(vision.LabelInfo, "~/label_info", latched)

    @property
    def topics(self) -> list[str]:
        """The full names of the topics."""
        return [publisher.topic_name for publisher in self._publishers.values()]

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        header = self._header_of(frame.index)
        for name in ("regions", "objects"):
            if self._has_subscriber(name):
                self._publishers[name].publish(self._mask_message(header, segmentation.mask(name)))
        if self._has_subscriber("overlay"):
            picture = drawing.overlay(frame.rgb, segmentation.mask(self._masks), self._alpha)
            self._publishers["overlay"].publish(self._image_message(header, picture, "rgb8"))
        if self._detections is not None:
            messages = self._detections.of(header, frame, segmentation, self._has_subscriber("detections_3d"))
            for name, message in messages.items():
                if name == "label_info" or self._has_subscriber(name):
                    self._publishers[name].publish(message)

    def close(self) -> None:
        """Give the last messages time to arrive; the node closes the topics."""
        from rclpy.duration import Duration

        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=1))

    def _has_subscriber(self, name: str) -> bool:
        return name in self._publishers and self._publishers[name].get_subscription_count() > 0

    def _mask_message(self, header: Any, labels: np.ndarray) -> Any:
        if self._encoding == "mono8":
            return self._image_message(header, labels, "mono8")
        wide = labels.astype("<u2")
        wide[labels == VOID] = UNLABELLED
        return self._image_message(header, wide, "mono16")

    def _image_message(self, header: Any, values: np.ndarray, encoding: str) -> Any:
        """Return an Image of (H, W) or (H, W, 3) values."""
        height, width = values.shape[:2]
        data = array.array("B", np.ascontiguousarray(values).tobytes())  # rclpy checks other types byte by byte: slow
        return self._image_type(
            header=header, height=height, width=width, encoding=encoding, is_bigendian=0, step=len(data) // height,
            data=data,
        )  # fmt: skip
