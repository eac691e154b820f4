"""What is noted of a session's depth, in all its scenes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamseg.depth.support import SupportPlane
from streamseg.frame import Frame, Intrinsics
from streamseg.objects.record import ObjectsRecord
from streamseg.sources.reading.cameras import UNKNOWN

NOTHING = np.zeros((4, 6), bool)
PLANE = SupportPlane(NOTHING, NOTHING, NOTHING, NOTHING, np.zeros((4, 6, 3)), np.ones((4, 6)), 0.0)
BIN = PLANE._replace(is_bin=True)
CAMERA = Intrinsics(5.0, 5.0, 3.0, 2.0)


def frame(index: int, camera: Intrinsics | None = CAMERA, depth: bool = True) -> Frame:
    readings = np.ones((4, 6), np.float32)
    rgb = np.zeros((4, 6, 3), np.uint8)
    return Frame(index, str(index), 0.0, rgb, load_depth=(lambda: readings) if depth else None, intrinsics=camera)


def test_bins_planes_and_their_absence_are_told_apart() -> None:
    record = ObjectsRecord()
    for index, support in enumerate([BIN, PLANE, None, BIN]):
        record.add(frame(4 * index), support)
    assert {kind: [*on] for kind, on in record.supports.items()} == {"bin": [0, 12], "plane": [4], "none": [8]}
    assert record.depth_note == ""


def test_frames_without_depth_are_not_counted() -> None:
    record = ObjectsRecord()
    record.add(frame(0, depth=False), None)
    assert not any(record.supports.values())
    assert record.depth_note == ""


@pytest.mark.parametrize(
    ("support", "camera", "told"),
    [(PLANE, None, UNKNOWN), (BIN, None, UNKNOWN), (None, CAMERA, "depth did not help")],
)
def test_what_a_user_may_not_expect_is_noted(
    support: SupportPlane | None, camera: Intrinsics | None, told: str
) -> None:
    record = ObjectsRecord()
    record.add(replace(frame(0), intrinsics=camera), support)
    assert record.depth_note.startswith(told)
    assert (record.camera is None) == (camera is not None)


@pytest.mark.parametrize("quality", ["live", "high"])
def test_frames_of_a_video_follow_each_other(make_salient, quality: str) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (140, 180, 3)), (0, 0), 2)
    wide = np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)
    segmenter = make_salient(quality=quality)
    for i, follows in enumerate([False, True, True]):
        segmenter.step(Frame(i, str(i), 0.0, np.ascontiguousarray(wide[i : i + 120, 2 * i : 2 * i + 160])))
        assert segmenter.objects_record.is_video == follows
