"""Masks as topics below the node's name, with the header of the image that they were made of.

    ~/regions  ~/objects   sensor_msgs/Image, mono8 or mono16: the ids; 0 = background of objects; void of regions is
                           255, or 65535 in mono16
    ~/overlay              sensor_msgs/Image, rgb8: the masks over the image
    ~/detections_2d  ~/detections_3d  ~/label_info     of vision_msgs, where that is installed: see `ros.detections`

What nobody listens to is not made.
"""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np

from streamseg.frame import VOID, Frame, Segmentation
from streamseg.masks import drawing
from streamseg.ros.detections import Detections, messages
from streamseg.sinks import Sink

UNLABELLED = 65535
"""Of 16-bit masks, as vision_msgs/LabelInfo has it."""
QUEUE = 5


class Publisher(Sink):
    """header_of: gives the header for a frame's index. encoding: of the masks, "mono8" or "mono16". masks: which mask
    the overlay shows, see `Segmentation.mask`. objects: whether objects are made."""

    def __init__(
        self, node: Any, header_of: Callable[[int], Any], objects: bool, encoding: str, masks: str, alpha: float
    ) -> None:
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from sensor_msgs.msg import Image

        self._header_of, self._encoding, self._masks, self._alpha = header_of, encoding, masks, alpha
        self._image = Image
        names = ("regions", "objects", "overlay") if objects else ("regions", "overlay")
        self._out = {name: node.create_publisher(Image, f"~/{name}", QUEUE) for name in names}
        vision = messages() if objects else None
        self._detections = None if vision is None else Detections(vision)
        if vision is not None:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._out["detections_2d"] = node.create_publisher(vision.Detection2DArray, "~/detections_2d", QUEUE)
            self._out["detections_3d"] = node.create_publisher(vision.Detection3DArray, "~/detections_3d", QUEUE)
            self._out["label_info"] = node.create_publisher(vision.LabelInfo, "~/label_info", latched)

    @property
    def topics(self) -> list[str]:
        """The full names of what is published."""
        return [one.topic_name for one in self._out.values()]

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        header = self._header_of(frame.index)
        for name in ("regions", "objects"):
            if self._wanted(name):
                self._out[name].publish(self._of_labels(header, segmentation.mask(name)))
        if self._wanted("overlay"):
            picture = drawing.overlay(frame.rgb, segmentation.mask(self._masks), self._alpha)
            self._out["overlay"].publish(self._of(header, picture, "rgb8"))
        if self._detections is not None:
            found = self._detections.of(header, frame, segmentation, self._wanted("detections_3d"))
            for name, message in found.items():
                if name == "label_info" or self._wanted(name):
                    self._out[name].publish(message)

    def close(self) -> None:
        """Give the last messages time to arrive; the node closes the topics."""
        from rclpy.duration import Duration

        for one in self._out.values():
            one.wait_for_all_acked(Duration(seconds=1))

    def _wanted(self, name: str) -> bool:
        return name in self._out and self._out[name].get_subscription_count() > 0

    def _of_labels(self, header: Any, labels: np.ndarray) -> Any:
        if self._encoding == "mono8":
            return self._of(header, labels, "mono8")
        wide = labels.astype("<u2")
        wide[labels == VOID] = UNLABELLED
        return self._of(header, wide, "mono16")

    def _of(self, header: Any, values: np.ndarray, encoding: str) -> Any:
        """An Image of (H, W) or (H, W, 3) values."""
        height, width = values.shape[:2]
        data = array.array("B", np.ascontiguousarray(values).tobytes())  # any other type is checked byte by byte
        return self._image(
            header=header, height=height, width=width, encoding=encoding, is_bigendian=0, step=len(data) // height,
            data=data,
        )  # fmt: skip
