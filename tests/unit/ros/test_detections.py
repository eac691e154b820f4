"""Detections in the types of vision_msgs 4, which rosbags makes from their definitions and serializes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamseg.frame import Frame, Intrinsics, Segmentation
from streamseg.ros.detections import Detections

DEFINITIONS = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose",
    "Detection2D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
    "vision_msgs/BoundingBox2D bbox\nstring id",
    "Detection3D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
    "vision_msgs/BoundingBox3D bbox\nstring id",
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
    "Detection3DArray": "std_msgs/Header header\nvision_msgs/Detection3D[] detections",
    "VisionClass": "uint16 class_id\nstring class_name",
    "LabelInfo": "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold",
}
EMPTY = {"string": "", "float64": 0.0, "float32": 0.0, "uint16": 0, "int32": 0, "uint32": 0}


@pytest.fixture(scope="module")
def store() -> Any:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    found = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = {}
    for name, text in DEFINITIONS.items():
        types |= get_types_from_msg(text, f"vision_msgs/msg/{name}")
    found.register(types)
    return found


def empty(store: Any, name: str) -> Any:
    """A message as rclpy makes one without arguments."""

    def value(kind: Any) -> Any:
        form, of = kind
        if form.name == "NAME":
            return empty(store, of)
        if form.name == "BASE":
            return EMPTY[of[0]]
        return np.zeros(of[1]) if form.name == "ARRAY" else []

    return store.types[name](**{field: value(kind) for field, kind in store.fielddefs[name][1]})


@pytest.fixture
def types(store: Any) -> Any:
    return SimpleNamespace(**{name: lambda n=name: empty(store, f"vision_msgs/msg/{n}") for name in DEFINITIONS})


def scene(depth: bool = True) -> tuple[Frame, Segmentation]:
    """Object 7: 11 columns and 5 rows at 2 m, score .5; object 9 at 1 m, without a score."""
    objects = np.zeros((48, 64), np.uint8)
    objects[10:15, 20:31], objects[30:40, 5:9] = 7, 9
    metres = np.full((48, 64), 2, np.float32)
    metres[30:40, 5:9] = 1
    camera = Intrinsics(50, 50, 25, 12)
    frame = Frame(0, "0", 0.0, np.zeros((48, 64, 3), np.uint8), camera, (lambda: metres) if depth else None)
    return frame, Segmentation(np.ones((48, 64), np.uint8), 1, objects, scores={7: 0.5})


def test_boxes_in_the_image_and_in_space(store: Any, types: Any) -> None:
    header = empty(store, "std_msgs/msg/Header")
    header.frame_id = "optical"
    found = Detections(types).of(header, *scene())
    back = {}
    for topic, kind in (
        ("detections_2d", "Detection2DArray"),
        ("detections_3d", "Detection3DArray"),
        ("label_info", "LabelInfo"),
    ):
        name = f"vision_msgs/msg/{kind}"
        back[topic] = store.deserialize_cdr(store.serialize_cdr(found[topic], name), name)
        assert back[topic].header.frame_id == "optical"
    flat, solid = back["detections_2d"].detections, back["detections_3d"].detections
    assert [one.id for one in flat] == [one.id for one in solid] == ["7", "9"]
    assert (flat[0].bbox.size_x, flat[0].bbox.size_y) == (11, 5)
    assert (flat[0].bbox.center.position.x, flat[0].bbox.center.position.y) == (25, 12)
    for detections in (flat, solid):
        hypotheses = [one.results[0].hypothesis for one in detections]
        assert [(one.class_id, one.score) for one in hypotheses] == [("object", 0.5), ("object", 1)]
    place = solid[0].bbox.center.position
    assert (place.x, place.y, place.z) == pytest.approx((0, 0, 2), abs=1e-6)
    assert solid[0].bbox.size.x == pytest.approx(2 * 10 / 50, rel=0.1)
    assert [(one.class_id, one.class_name) for one in back["label_info"].class_map] == [
        (0, "background"),
        (7, "object 7"),
        (9, "object 9"),
    ]


def test_label_info_is_sent_only_when_ids_change(store: Any, types: Any) -> None:
    detections, header = Detections(types), empty(store, "std_msgs/msg/Header")
    frame, segmentation = scene(depth=False)
    first = detections.of(header, frame, segmentation)
    assert first["detections_3d"].detections == []
    assert "label_info" in first
    assert "label_info" not in detections.of(header, frame, segmentation)
    none = Segmentation(segmentation.regions, 1, np.zeros((48, 64), np.uint8))
    assert len(detections.of(header, frame, none)["label_info"].class_map) == 1


def test_without_objects_there_are_no_messages(store: Any, types: Any) -> None:
    frame, segmentation = scene()
    found = Detections(types).of(empty(store, "std_msgs/msg/Header"), frame, Segmentation(segmentation.regions, 1))
    assert found == {}
