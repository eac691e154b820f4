"""A live source in a stream: frames are dropped instead of delayed, or with policy "all" the source waits."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from streamseg.frame import Frame, Segmentation
from streamseg.runtime.stream import stream
from streamseg.runtime.workers import LIVE_QUEUE
from streamseg.sources import LiveSource

from ..objects.conftest import make_salient  # noqa: F401 (a fixture)
from .conftest import Collect, OnScreen


class Camera(LiveSource):
    """Yields a frame every `period` seconds, `count` times."""

    uri, kind = "camera", "camera"

    def __init__(self, recording: object, period: float, count: int = 10**9) -> None:
        self.recording, self.period, self.count = recording, period, count
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            if self.closed.wait(self.period):
                return
            yield self.recording[index % len(self.recording)]

    def close(self) -> None:
        self.closed.set()


def test_a_live_source_never_falls_behind(shapes, make_segmenter) -> None:
    camera = Camera(shapes(50), period=0.001, count=150)
    statistics = stream(camera, make_segmenter(k=4), [OnScreen(delay=0.01)])
    assert statistics.dropped > 20
    assert statistics.frames_in == 150 == statistics.processed + statistics.dropped


def test_a_live_source_that_has_to_wait_loses_nothing(shapes, make_segmenter) -> None:
    files = Collect(delay=0.005)
    statistics = stream(Camera(shapes(50), period=0.0005, count=60), make_segmenter(k=4), [files], policy="all")
    assert (statistics.dropped, statistics.processed) == (0, 60)
    assert files.frames == [i % 50 for i in range(60)]


def test_a_slow_sink_costs_frames_of_a_live_source_but_no_delay(shapes, make_segmenter) -> None:
    """However slow the disk is, the frames that are segmented are new: only those that wait for the disk are old."""
    count, slow = 300, 8  # while one frame is written, so many come, however fast the machine is
    given, behind = [0], []

    class Counted(Camera):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                given[0] += 1
                yield frame

    class Slow(Collect):
        def write(self, frame: Frame, segmentation: Segmentation) -> None:
            behind.append(given[0] - 1 - frame.index)
            while given[0] < min(count, behind[-1] + 1 + frame.index + slow) and not camera.closed.is_set():
                time.sleep(0.001)
            super().write(frame, segmentation)

    camera = Counted(shapes(400), period=0.004, count=count)
    statistics = stream(camera, make_segmenter(k=4), [Slow()])
    assert statistics.dropped > 150
    assert statistics.frames_in == count == statistics.processed + statistics.dropped
    assert np.median(behind[8:]) < slow * (LIVE_QUEUE + 4)


def test_a_camera_that_changes_its_size(shapes, make_segmenter) -> None:
    class Changing(Camera):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield frame if frame.index < 12 else shapes(50, (160, 120))[frame.index]

    sink = Collect()
    stream(Changing(shapes(50), period=0.001, count=30), make_segmenter(k=4), [sink], policy="all")
    assert {labels.shape for labels in sink.labels[:12]} == {(120, 160)}
    assert {labels.shape for labels in sink.labels[12:]} == {(160, 120)}
    assert set(np.unique(sink.labels[11])) == set(np.unique(sink.labels[12]))  # ids go on


def test_max_frames_of_a_live_source(shapes, make_segmenter) -> None:
    camera = Camera(shapes(50), period=0.001)
    statistics = stream(camera, make_segmenter(k=4), [Collect()], max_frames=10)
    assert statistics.processed == 10
    assert camera.closed.is_set()


def test_an_interrupt_while_the_camera_sends_no_frames(shapes, make_segmenter) -> None:
    camera = Camera(shapes(50), period=3600)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    statistics = stream(camera, make_segmenter(k=4), [Collect()])
    assert statistics.stopped == "interrupt"
    assert statistics.seconds < 30


def test_the_latency_of_a_live_source_includes_waiting(shapes, make_segmenter) -> None:
    """Frames of a live source that arrive at once wait for each other; those of a recording never wait."""
    live = stream(Camera(shapes(50), period=0, count=30), make_segmenter(k=4), [OnScreen(delay=0.02)], policy="all")
    assert 0 < len(live.latency_ms) < 30  # not those that waited for the first masks
    assert min(live.latency_ms) > 40  # there are always some before it
    read = stream(shapes(30), make_segmenter(k=4), [OnScreen(delay=0.02)])
    assert np.median(read.latency_ms) < np.median(live.latency_ms)


def test_waiting_for_the_first_masks_is_no_overload(shapes, make_segmenter, monkeypatch) -> None:
    segmenter = make_segmenter(k=4)
    start = segmenter.start
    monkeypatch.setattr(segmenter, "start", lambda frames: (time.sleep(2), start(frames)))
    camera = Camera(shapes(50), period=0.001, count=60)
    statistics = stream(camera, segmenter, [Collect()], policy="all", max_latency=1500)
    assert statistics.processed == 60
    assert statistics.ladder == []
    assert statistics.late == 0


@pytest.mark.parametrize(("labels_on", "followers"), [("host", 5), ("auto", 0)])
def test_on_a_gpu_every_frame_is_a_keyframe_until_one_is_late(
    shapes, make_segmenter, labels_on: str, followers: int
) -> None:
    """If the GPU computes the labels, too, every frame stays a keyframe."""
    segmenter, frames = make_segmenter(k=4, labels_on=labels_on), [shapes()[i] for i in range(6)]
    segmenter.step(frames[0])
    segmenter.extractor.backbones[0].device = "cuda"
    assert [segmenter.plan(frame) for frame in frames] == frames
    segmenter.adapt_keyframes(False, 2)
    planned = [segmenter.plan(frame) for frame in frames]
    assert [isinstance(one, Frame) for one in planned] == [True] * (6 - followers) + [False] * followers


def test_on_a_gpu_objects_follow_through_frames_that_lack_depth(shapes, make_salient) -> None:  # noqa: F811
    def with_depth(frame: Frame, value: float) -> Frame:
        return replace(frame, load_depth=lambda: np.full(frame.rgb.shape[:2], value, np.float32))

    segmenter, frames = make_salient(), [with_depth(shapes()[0], value) for value in (1, 0, 1, 1, 0)]
    segmenter.step(frames[0])
    segmenter.extractor.backbones[0].device = "cuda"
    assert [isinstance(segmenter.plan(frame), Frame) for frame in frames] == [True, False, True, True, False]


def test_a_run_that_is_held_to_a_latency_makes_keyframes_rarer_and_says_so(shapes, make_segmenter) -> None:
    held, free = (
        stream(
            Camera(shapes(50), period=0.001, count=80), make_segmenter(k=4), [Collect()], policy="all", max_latency=most
        )
        for most in (1e-6, None)  # nothing is in time; nothing is asked
    )
    assert [step["keyframes"] for step in held.ladder] == [1, 2, 4, 8]
    assert all(step["beside"] for step in held.ladder)
    assert held.stage_ms["beside"]
    assert free.ladder == []
    assert held.key_frames < free.key_frames
