from __future__ import annotations

import itertools
import os
import signal
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamseg.errors import FrameError, OutputError, SourceError, StopRequested
from streamseg.frame import Frame
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sources import Skip

from .conftest import Collect, OnScreen


def test_every_frame_arrives_in_order_and_is_accounted_for(shapes, make_segmenter) -> None:
    sink, screen, seen = Collect(), OnScreen(), []
    statistics = stream(
        shapes(25), make_segmenter(k=4), [sink, screen], progress=lambda statistics: seen.append(statistics.processed)
    )
    assert sink.frames == screen.frames == list(range(25))
    assert seen == list(range(1, 26))
    assert statistics.frames_in == statistics.processed == len(statistics.latency_ms) == 25
    assert (statistics.dropped, statistics.skipped, statistics.stopped) == (0, [], "")
    assert {len(statistics.stage_ms[stage]) for stage in ("read", "cluster", "upsample", "write")} == {25}
    assert statistics.key_frames == len(statistics.stage_ms["backbone"])
    assert len(statistics.stage_ms["follow"]) == 25 - statistics.key_frames
    assert statistics.fps == pytest.approx(25 / statistics.seconds)
    assert 0 < statistics.start_seconds < statistics.seconds
    assert statistics.pace == pytest.approx(24 / (statistics.seconds - statistics.start_seconds))
    assert screen.threads == {"MainThread"}
    assert "MainThread" not in sink.threads


def test_threads_do_not_change_the_masks(shapes, make_segmenter) -> None:
    sink = Collect()
    stream(shapes(12), make_segmenter(seed=2), [sink])
    alone = make_segmenter(seed=2)
    planned = [alone.plan(shapes()[i]) for i in range(12)]
    alone.start([frame for frame in planned[:8] if isinstance(frame, Frame)])
    assert np.array_equal(sink.labels, [alone.step(one).regions for one in planned])


def test_the_network_runs_on_every_frame_with_keyframes_1(shapes, make_segmenter) -> None:
    sink = Collect()
    statistics = stream(shapes(12), make_segmenter(keyframes=1), [sink])
    assert statistics.key_frames == 12
    assert "flow" not in statistics.stage_ms
    alone = make_segmenter()
    alone.start([shapes()[i] for i in range(8)])
    assert np.array_equal(sink.labels, [alone.step(shapes()[i]).regions for i in range(12)])


def test_propagated_frames_have_nearly_the_masks_of_keyframes(shapes, make_segmenter) -> None:
    followed, looked = Collect(), Collect()
    statistics = stream(shapes(40), make_segmenter(k=4), [followed])
    stream(shapes(40), make_segmenter(k=4, keyframes=1), [looked])
    assert statistics.key_frames < 25  # the scene jumps back at frame 20
    assert np.mean(np.array(followed.labels) != looked.labels) < 0.02


@pytest.mark.parametrize(("streams", "batch"), [(3, 1), (1, 4), (2, 5)])
def test_extracting_ahead_does_not_change_the_masks(shapes, make_segmenter, streams: int, batch: int) -> None:
    class Uneven(shapes):
        """One frame has another size: it cannot join the batch of the others."""

        def __getitem__(self, index: int) -> Frame:
            return shapes(23, (96, 128))[index] if index == 9 else super().__getitem__(index)

    together, alone = Collect(), Collect()
    segmenter = make_segmenter(seed=2)
    segmenter.warm_up((120, 160), batch)
    segmenter.extractor.backbones[0].streams = streams  # the colours are computed in NumPy, from any thread
    statistics = stream(Uneven(23), segmenter, [together], batch=batch)
    assert statistics.processed == 23
    stream(Uneven(23), make_segmenter(seed=2), [alone])
    assert [a.shape for a in together.labels] == [b.shape for b in alone.labels]
    assert all(np.array_equal(a, b) for a, b in zip(together.labels, alone.labels, strict=True))


def test_id_changes_are_the_share_of_pixels(shapes, make_segmenter) -> None:
    sink = Collect()
    statistics = stream(shapes(6), make_segmenter(k=4), [sink])
    expected = [(a != b).mean() for a, b in itertools.pairwise(sink.labels)]
    assert list(statistics.id_changes) == pytest.approx(expected)


@pytest.mark.parametrize("video", [True, False])
def test_video_and_photographs_are_told_apart(shapes, make_segmenter, video: bool) -> None:
    class Photographs(shapes):
        def __getitem__(self, index: int) -> Frame:
            noise = np.random.default_rng(index).normal(0, 1, (*self.frame_size, 3))
            rgb = np.clip(128 + 400 * cv2.GaussianBlur(noise, (0, 0), 4), 0, 255).astype(np.uint8)
            return replace(super().__getitem__(index), rgb=rgb)

    statistics = stream((shapes if video else Photographs)(6), make_segmenter(k=4), [])
    assert len(statistics.id_changes) == 5
    assert statistics.objects_record.is_video == video


def test_every_and_max_frames(shapes, make_segmenter) -> None:
    sink = Collect()
    statistics = stream(shapes(25), make_segmenter(k=4), [sink], every=4, max_frames=3)
    assert sink.frames == [0, 4, 8]
    assert statistics.frames_in == 3


def test_broken_frames_are_skipped_and_counted(shapes, make_segmenter) -> None:
    class Broken(shapes):
        skipped = (Skip("lost", "missing file"),)

        def __getitem__(self, index: int) -> Frame:
            if index % 5 == 2:
                raise FrameError("truncated PNG")
            frame = super().__getitem__(index)
            if index % 5 == 3:

                def unreadable() -> np.ndarray:
                    raise FrameError("truncated depth PNG")

                frame = Frame(frame.index, frame.name, frame.timestamp, frame.rgb, load_depth=unreadable)
            return frame

    sink = Collect()
    statistics = stream(Broken(10), make_segmenter(k=4, keyframes=1), [sink])
    assert sink.frames == [0, 1, 3, 4, 5, 6, 8, 9]
    assert statistics.skipped == [Skip("lost", "missing file"), *(Skip(f"0000{i}", "truncated PNG") for i in (2, 7))]
    assert statistics.frames_in == 11
    assert statistics.no_depth == {"truncated depth PNG": 2}


def test_nothing_but_broken_frames(shapes, make_segmenter) -> None:
    class Broken(shapes):
        def __getitem__(self, index: int) -> Frame:
            raise FrameError("truncated PNG")

    statistics = stream(Broken(5), make_segmenter(k=4), [Collect()])
    assert (statistics.processed, len(statistics.skipped), statistics.fps) == (0, 5, 0)
    assert (statistics.start_seconds, statistics.pace) == (0, 0)


@pytest.mark.parametrize("kind", [Collect, OnScreen])
def test_a_sink_that_fails_ends_the_run_with_its_error(shapes, make_segmenter, kind: type[Collect]) -> None:
    statistics = Statistics()
    sink = kind(fail_at=5, error=OutputError("the disk is full", "make room"))
    with pytest.raises(OutputError, match="disk is full"):
        stream(shapes(200), make_segmenter(k=4), [sink], statistics=statistics)
    assert sink.frames == list(range(5))
    assert statistics.processed < 40
    assert statistics.seconds > 0
    assert threading.active_count() < 10


@pytest.mark.parametrize("count", [1, 5, 12, 15])
def test_a_source_that_fails_ends_the_run_with_its_error_after_the_frames_before_it(
    shapes, make_segmenter, count: int
) -> None:
    """Also at frames that are held back until their scene is known: the first ones, and those after the cut at 13."""

    class Fails(shapes):
        def __getitem__(self, index: int) -> Frame:
            if index == count:
                raise SourceError("the disk was unplugged", "plug it in")
            frame = super().__getitem__(index)
            return frame if index < 13 else replace(frame, rgb=255 - frame.rgb[::-1])

    sink = Collect()
    with pytest.raises(SourceError, match="unplugged"):
        stream(Fails(30), make_segmenter(k=4), [sink])
    assert sink.frames == list(range(count))


def test_a_sink_can_stop_the_run(shapes, make_segmenter) -> None:
    screen = OnScreen(fail_at=3, error=StopRequested())
    files = Collect()
    statistics = stream(shapes(100), make_segmenter(k=4), [files, screen])
    assert statistics.stopped == "user"
    assert statistics.processed == 4
    assert files.frames == [0, 1, 2, 3]  # what is counted is written


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_properly(shapes, make_segmenter, number: int) -> None:
    sink = Collect()
    before = signal.getsignal(number)

    def interrupt(statistics: Statistics) -> None:
        if statistics.processed == 6:
            os.kill(os.getpid(), number)

    statistics = stream(shapes(500), make_segmenter(k=4), [sink], progress=interrupt)
    assert statistics.stopped == "interrupt"
    assert sink.frames == list(range(statistics.processed))
    assert statistics.processed < 20
    assert signal.getsignal(number) is before


def test_the_depth_of_a_keyframe_is_decoded_beside_the_main_thread(shapes, make_segmenter) -> None:
    threads: dict[int, str] = {}

    class WithDepth(shapes):
        def __getitem__(self, index: int) -> Frame:
            frame = super().__getitem__(index)

            def load() -> np.ndarray:
                threads[index] = threading.current_thread().name
                return np.ones(frame.rgb.shape[:2], np.float32)

            return replace(frame, load_depth=load)

    statistics = stream(WithDepth(20), make_segmenter(k=4), [Collect()])
    assert statistics.key_frames <= len(threads) < 20
    assert [index for index, name in threads.items() if name == "MainThread"] == []
