"""Objects of a frame as messages of vision_msgs 4 (ROS 2 Humble and later): boxes in the image and in space.

The `id` of a Detection2D and a Detection3D is the object's id in ~/objects. Its only hypothesis has the object's score,
0 ... 1, or 1 if the object has none. LabelInfo names the ids in ~/objects, 0 = background, and is sent when they
change.
"""

from __future__ import annotations

from typing import Any

from streamseg.frame import Frame, Segment, Segmentation
from streamseg.masks.properties import measure

CLASS = "object"


def vision_messages() -> Any:
    """Return the module vision_msgs.msg, or None if it is not installed."""
    try:
        import vision_msgs.msg
    except ImportError:
        return None
    return vision_msgs.msg


class Detections:
    """Makes the messages of a frame. types: the module vision_msgs.msg."""

    def __init__(self, types: Any) -> None:
        self.types = types
        self._last_ids: list[int] | None = None

    def of(self, header: Any, frame: Frame, segmentation: Segmentation, deep: bool = True) -> dict[str, Any]:
        """Return the messages by topic: detections_2d, detections_3d and, if the ids have changed, label_info.

        header: of every message. deep: whether to measure boxes in space, which enclose the visible part of an object
        and need depth in metres and intrinsics.
        """
        if segmentation.objects is None:
            return {}
        depth = frame.depth if deep and frame.depth_is_metric else None
        objects = measure(segmentation.objects, depth, frame.intrinsics, segmentation.scores)
        in_space = [segment for segment in objects if segment.centroid is not None and segment.size is not None]
        detections_2d = [self._detection_2d(header, segment) for segment in objects]
        detections_3d = [self._detection_3d(header, segment) for segment in in_space]
        messages = {
            "detections_2d": self._message("Detection2DArray", header=header, detections=detections_2d),
            "detections_3d": self._message("Detection3DArray", header=header, detections=detections_3d),
        }
        ids = [segment.id for segment in objects]
        if ids != self._last_ids:
            self._last_ids = ids
            names = {0: "background"} | {i: f"{CLASS} {i}" for i in ids}
            classes = [self._message("VisionClass", class_id=i, class_name=name) for i, name in names.items()]
            messages["label_info"] = self._message("LabelInfo", header=header, class_map=classes)
        return messages

    def _message(self, kind: str, **fields: Any) -> Any:
        message = getattr(self.types, kind)()
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def _detection_2d(self, header: Any, segment: Segment) -> Any:
        x, y, width, height = segment.box
        box = self._message("BoundingBox2D", size_x=float(width), size_y=float(height))
        # the centre of a pixel has whole-number coordinates
        box.center.position.x, box.center.position.y = x + (width - 1) / 2, y + (height - 1) / 2
        return self._detection("Detection2D", header, segment, box)

    def _detection_3d(self, header: Any, segment: Segment) -> Any:
        assert segment.centroid is not None
        assert segment.size is not None
        box = self._message("BoundingBox3D")
        position = box.center.position
        position.x, position.y, position.z = segment.centroid
        box.center.orientation.w = 1.0
        box.size.x, box.size.y, box.size.z = segment.size
        return self._detection("Detection3D", header, segment, box)

    def _detection(self, kind: str, header: Any, segment: Segment, box: Any) -> Any:
        result = self._message("ObjectHypothesisWithPose")
        result.hypothesis.class_id = CLASS
        result.hypothesis.score = 1.0 if segment.score is None else float(segment.score)
        return self._message(kind, header=header, results=[result], bbox=box, id=str(segment.id))
