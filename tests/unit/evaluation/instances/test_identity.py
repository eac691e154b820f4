"""ID switches and IDF1 against TrackEval, the published evaluation of multi-object tracking."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from streamseg.evaluation.davis import PairScores, compare, ids_in
from streamseg.evaluation.instances.identity import identity
from tests.unit.evaluation.clips import Clip, clips

IDS, OBJECTS = [0, 1, 2, 5], [0, 1, 3]


def blocks(*columns: int) -> np.ndarray:
    """(4, 4 n) ids in columns."""
    return np.repeat(np.array([columns] * 4, np.uint8), 4, axis=1)


def compared(clip: Clip) -> list[PairScores]:
    return [compare(found, true) for found, true in zip(*clip, strict=True)]


def as_trackeval(frames: list[PairScores]) -> dict[str, Any]:
    """The same as TrackEval's metrics take it: ids from 0 without gaps, IoU (true, found)."""
    ids, objects = ids_in(frames)
    found = [np.array([ids.index(i) for i in frame.found[1:]], int) for frame in frames]
    true = [np.array([objects.index(i) for i in frame.truth[1:]], int) for frame in frames]
    return {
        "num_timesteps": len(frames), "num_gt_ids": len(objects), "num_tracker_ids": len(ids),
        "num_gt_dets": sum(map(len, true)), "num_tracker_dets": sum(map(len, found)),
        "gt_ids": true, "tracker_ids": found, "similarity_scores": [frame.j[1:, 1:].T for frame in frames],
    }  # fmt: skip


@given(clips(IDS, OBJECTS))
@settings(max_examples=60, deadline=None)
def test_as_trackeval_counts(clip: Clip) -> None:
    trackeval = pytest.importorskip("trackeval")
    frames = compared(clip)
    data, ours = as_trackeval(frames), identity(frames)
    quiet = {"PRINT_CONFIG": False}
    clear = trackeval.metrics.CLEAR(quiet).eval_sequence(data)
    theirs = trackeval.metrics.Identity(quiet).eval_sequence(data)
    assert sum(ours.switches.values()) == clear["IDSW"]
    if data["num_gt_dets"] and data["num_tracker_dets"]:
        assert ours.idf1 == pytest.approx(theirs["IDF1"])
        assert ours.right == theirs["IDTP"]


def test_a_switch_is_charged_to_its_object() -> None:
    truth = [blocks(1, 0, 2)] * 4
    found = [blocks(7, 0, 8), blocks(7, 0, 8), blocks(0, 0, 8), blocks(9, 0, 8)]  # lost for a frame, then another id
    ours = identity([compare(f, t) for f, t in zip(found, truth, strict=True)])
    assert ours.switches == {1: 1, 2: 0}
    assert ours.idf1 == pytest.approx(2 * 6 / (7 + 8))


def test_nothing_there_has_no_figure() -> None:
    assert identity([]).idf1 is None
    empty = blocks(0, 0, 0)
    assert identity([compare(empty, empty)]).idf1 is None
    assert identity([compare(empty, blocks(1, 0, 0))]).idf1 == 0
