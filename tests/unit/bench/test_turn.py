"""Figures of a turn, and ratios between turns."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from streamseg.bench import baseline, runner, turn
from streamseg.frame import Segmentation
from streamseg.runtime.statistics import Statistics


def test_a_loop_repeats_the_recording(shapes) -> None:
    loop = turn.looped(shapes(4), 11)
    assert isinstance(loop, turn.Loop)
    frames = [loop[i] for i in range(len(loop))]
    assert [frame.index for frame in frames] == list(range(11))
    assert len({frame.name for frame in frames}) == 11
    assert np.diff([frame.timestamp for frame in frames]) == pytest.approx(np.full(10, 1 / 25))
    assert np.array_equal(frames[9].rgb, shapes(4)[1].rgb)
    assert frames[9].depth is not None


def test_pace_compares_start_and_end() -> None:
    times = np.cumsum(np.r_[np.full(2000, 0.010), np.full(2000, 0.020)])
    found = turn.pace(times)
    assert found == {"first_fps": 100.0, "last_fps": 50.0, "ratio": 0.5}
    assert turn.pace(times[:5]) is None


def test_the_first_frame_of_each_id_is_recorded(shapes) -> None:
    masks, frames = turn.Masks(), shapes(3)
    for frame, number in zip(frames, (5, 9, 5), strict=True):
        masks.write(frame, Segmentation(np.zeros_like(frame.rgb[..., 0]), 1, np.full_like(frame.rgb[..., 0], number)))
    assert masks.ids == {5: frames[0].index, 9: frames[1].index}


def test_the_wall_time_is_compared_with_the_busiest_thread() -> None:
    report = Statistics(processed=4, seconds=0.1, latency_ms=array("f", [60] * 4))
    for _ in range(4):
        for stage, milliseconds in {"read": 10, "prepare": 1, "backbone": 39, "upsample": 12, "write": 5}.items():
            report.took(stage, milliseconds)
    found = turn.figures(report, streams=2)
    assert found["fps"] == 40
    assert found["busy_ms"] == {"read": 10, "network": 20, "masks": 12, "write": 5}
    assert (found["wall_over_busiest"], found["compute_ms"]) == (1.25, 52)


def test_the_plain_script_finds_planted_clusters() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, (8, 8))
    centres = 10 * random.standard_normal((4, 32))
    maps = (centres[truth] + random.standard_normal((8, 8, 32))).transpose(2, 0, 1).astype(np.float32)
    found = baseline.cluster(maps)
    assert found.shape == (8, 8)
    assert len(np.unique(found)) == 4
    assert len(set(zip(found.ravel().tolist(), truth.ravel().tolist(), strict=True))) == 4  # one to one


def one_turn(fps: float, cpu: float, compute: float) -> dict[str, object]:
    return {"fps": fps, "cpu_ms_per_frame": cpu, "compute_ms": compute, "masks": None}


def test_ratios_are_taken_between_neighbouring_turns() -> None:
    """The machine was three times slower in the second turn, for both."""
    own = [one_turn(30, 20, 10), one_turn(10, 60, 30), one_turn(33, 18, 9)]
    plain = [one_turn(3, 200, 100), one_turn(1, 600, 300), one_turn(3, 198, 99)]
    found = runner.summary("ours", own, plain, None)
    assert found["fps"] == 30
    assert found["fps_of_turns"] == [30, 10, 33]
    assert found["against"] == {"speed": 10, "cpu_time": 10, "compute": 10}


def test_masks_are_compared_by_the_rand_index() -> None:
    masks = np.random.default_rng(0).integers(1, 5, (3, 6, 8)).astype(np.uint8)
    renamed = np.array([0, 3, 1, 4, 2], np.uint8)[masks]
    assert runner.summary("ours", [one_turn(1, 1, 1) | {"masks": renamed}], [], masks)["agreement"] == 1
