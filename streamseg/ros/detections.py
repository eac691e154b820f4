"""Objects of a frame as messages of vision_msgs 4 (ROS 2 Humble and later): boxes in the image and in space.

LabelInfo says what the numbers in ~/objects are: 0 the background, any other one object, whose Detection2D and
Detection3D have the number as `id`. It is sent when the numbers change. The score of a detection's only hypothesis is
the object's: how likely there is such a thing, 0 ... 1, and 1 where it has none.
"""

from __future__ import annotations

from typing import Any

from streamseg.frame import Frame, Segment, Segmentation
from streamseg.masks.properties import measure

CLASS = "object"


def messages() -> Any:
    """The module vision_msgs.msg, None where it is not installed."""
    try:
        import vision_msgs.msg
    except ImportError:
        return None
    return vision_msgs.msg


class Detections:
    """types: has the classes of vision_msgs as attributes."""

    def __init__(self, types: Any) -> None:
        self.types = types
        self._known: list[int] | None = None

    def of(self, header: Any, frame: Frame, segmentation: Segmentation, deep: bool = True) -> dict[str, Any]:
        """Messages by topic: detections_2d, detections_3d, label_info; the last one only where the ids have changed.

        header: of all of them. deep: whether boxes in space are asked for; they need depth in metres and intrinsics,
        and hold what the camera sees of an object.
        """
        if segmentation.objects is None:
            return {}
        depth = frame.depth if deep and frame.depth_is_metric else None
        found = measure(segmentation.objects, depth, frame.intrinsics, segmentation.scores)
        flat = [self._flat(header, one) for one in found]
        solid = [self._solid(header, one) for one in found if one.centroid is not None and one.size is not None]
        messages = {
            "detections_2d": self._filled("Detection2DArray", header=header, detections=flat),
            "detections_3d": self._filled("Detection3DArray", header=header, detections=solid),
        }
        ids = [one.id for one in found]
        if ids != self._known:
            self._known = ids
            named = {0: "background"} | {i: f"{CLASS} {i}" for i in ids}
            classes = [self._filled("VisionClass", class_id=i, class_name=name) for i, name in named.items()]
            messages["label_info"] = self._filled("LabelInfo", header=header, class_map=classes)
        return messages

    def _filled(self, kind: str, **fields: Any) -> Any:
        message = getattr(self.types, kind)()
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    def _flat(self, header: Any, segment: Segment) -> Any:
        x, y, width, height = segment.box
        box = self._filled("BoundingBox2D", size_x=float(width), size_y=float(height))
        # whole numbers are the middles of pixels
        box.center.position.x, box.center.position.y = x + (width - 1) / 2, y + (height - 1) / 2
        return self._detection("Detection2D", header, segment, box)

    def _solid(self, header: Any, segment: Segment) -> Any:
        assert segment.centroid is not None
        assert segment.size is not None
        box = self._filled("BoundingBox3D")
        place = box.center.position
        place.x, place.y, place.z = segment.centroid
        box.center.orientation.w = 1.0
        box.size.x, box.size.y, box.size.z = segment.size
        return self._detection("Detection3D", header, segment, box)

    def _detection(self, kind: str, header: Any, segment: Segment, box: Any) -> Any:
        found = self._filled("ObjectHypothesisWithPose")
        found.hypothesis.class_id = CLASS
        found.hypothesis.score = 1.0 if segment.score is None else float(segment.score)
        return self._filled(kind, header=header, results=[found], bbox=box, id=str(segment.id))
