"""A user changes the regions while frames are segmented, also while a keyframe is computed in the background."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from streamseg.features.extractor import PropagatedFrame
from streamseg.features.pending import DELAY


@pytest.mark.parametrize("in_time", [True, False])
def test_a_request_that_comes_while_a_keyframe_is_computed_waits_for_it_on_any_machine(
    shapes, make_segmenter, in_time: bool
) -> None:
    going_on = threading.Event()

    def slow() -> np.ndarray:
        going_on.wait(20)
        return np.ones((1, 1), np.float32)  # of another size than the frame, and so not used

    segmenter = make_segmenter(k=4)
    segmenter.adapt_keyframes(True, 1)
    planned = [segmenter.plan(shapes()[i]) for i in range(16)]
    first = next(
        i for i, one in enumerate(planned) if isinstance(one, PropagatedFrame) and one.to_keyframe.since_pending == 0
    )
    planned[first] = replace(planned[first], frame=replace(planned[first].frame, load_depth=slow))
    for one in planned[:first]:
        segmenter.step(one)
    if in_time:
        segmenter.steer(6)
    segmenter.step(planned[first])
    if not in_time:
        segmenter.steer(6)
    going_on.set()
    assert [segmenter.step(one).k for one in planned[first + 1 : first + DELAY + 1]] == [4] * (DELAY - 1) + [6]
    assert segmenter.pending.shown.k == (6 if in_time else 4)


@pytest.mark.parametrize("clustering", ["online", "per-frame"])
def test_k_can_be_steered_and_the_other_ids_persist(shapes, make_segmenter, clustering: str) -> None:
    segmenter = make_segmenter(clustering=clustering)
    frames = [shapes()[i] for i in range(12)]
    segmenter.start(frames[:8])
    before = segmenter.step(frames[0])
    assert before.k == 4
    for k in (6, 3):
        segmenter.steer(k)
        after = segmenter.step(frames[1])
        assert after.k == len(np.unique(after.regions)) == k
        assert segmenter.k_history[-1]["k"] == k
        assert len(np.intersect1d(np.unique(before.regions), np.unique(after.regions))) >= min(k, 4) - 1
    assert segmenter.step(frames[2]).k == 3  # and stays
    segmenter.steer(0)
    assert segmenter.step(frames[3]).k == (4 if clustering == "per-frame" else 3)  # the knee needs several frames


def test_reclustering_keeps_the_ids(shapes, make_segmenter) -> None:
    segmenter = make_segmenter()
    frames = [shapes()[i] for i in range(10)]
    segmenter.start(frames[:8])
    before = segmenter.step(frames[0]).regions
    segmenter.steer(2)
    assert segmenter.step(frames[0]).k == 2
    segmenter.steer(0, recluster=True)
    after = segmenter.step(frames[0])
    assert after.k == 4
    assert adjusted_rand_score(before.ravel()[::7], after.regions.ravel()[::7]) > 0.9
    assert segmenter.k_history[-1]["frame"] == 0
