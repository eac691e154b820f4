"""The tracks of objects for the page: IoU over the frames, partner, score, size, distance, ID switches."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.evaluation.instances.tracks import SIDE, ObjectTracks
from streamseg.frame import VOID, Frame, Intrinsics, Segmentation

SHAPE = (60, 80)


def at(left: int, i: int, width: int = 20) -> np.ndarray:
    """(60, 80) ids: a block of 20 rows."""
    ids = np.zeros(SHAPE, np.uint8)
    ids[20:40, left : left + width] = i
    return ids


def tracked(frames: list[tuple[np.ndarray, np.ndarray]], depth: float | None = None) -> ObjectTracks:
    tracks = ObjectTracks()
    for index, (found, truth) in enumerate(frames):
        camera = None if depth is None else Intrinsics(100, 100, 40, 30)
        load = None if depth is None else lambda: np.full(SHAPE, depth, np.float32)
        frame = Frame(index, f"frame{index}", index / 10, np.full((*SHAPE, 3), 90, np.uint8), camera, load)
        scores = {int(i): i / 10 for i in np.unique(found) if 0 < i < VOID}
        tracks.observe(frame, Segmentation(found, k=1, objects=found, scores=scores), truth, {})
    tracks.finish()
    return tracks


def test_a_true_object_that_changes_its_id() -> None:
    tracks = tracked([(at(10, 4), at(10, 1)), (at(10, 4), at(10, 1)), (at(10, 6), at(20, 1)), (at(20, 6), at(20, 1))])
    (one,) = tracks.true.values()
    assert one.iou == {0: 1.0, 1: 1.0, 2: pytest.approx(1 / 3), 3: 1.0}
    assert one.partners == {0: 4, 1: 4, 3: 6}
    assert (one.partner, one.switches, one.seen) == (4, 1, 4)
    assert {kind: caption.split(":")[0] for kind, (caption, _) in one.pictures.items()} == {
        "largest": "largest",
        "worst": "worst, IoU 0.33",
    }
    assert all(max(picture.shape) == SIDE for _, picture in one.pictures.values())
    assert tracks.found[4].scores == pytest.approx([0.4, 0.4])
    assert tracks.found[6].partner == 1
    assert tracks.frames == 4


def test_what_agrees_with_nothing() -> None:
    tracks = tracked([(at(50, 3), at(10, 1)), (np.zeros(SHAPE, np.uint8), at(10, 1))])
    assert tracks.true[1].iou == {0: 0.0, 1: 0.0}
    assert tracks.true[1].partner is tracks.found[3].partner is None
    assert tracks.found[3].seen == 1


def test_size_and_distance_are_in_metres_where_depth_and_camera_are_known() -> None:
    known = tracked([(at(10, 3), at(10, 1))], depth=2.0).found[3]
    assert known.metric
    assert known.distances == [2.0]
    assert known.sizes[0] == pytest.approx((0.38, 0.38, 0.0), abs=0.03)  # 20 pixels at 2 m, f = 100
    unknown = tracked([(at(10, 3), at(10, 1))]).found[3]
    assert not unknown.metric
    assert unknown.distances == []
    assert list(unknown.sizes[0]) == [20, 20]


def test_void_is_no_object() -> None:
    truth = at(10, 1)
    truth[:, 60:] = VOID
    tracks = tracked([(at(60, 3), truth)])
    assert tracks.found == {}
    assert set(tracks.true) == {1}
