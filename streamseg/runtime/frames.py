"""Segment the frames of a source, as a generator. Reading, the network and the other stages overlap:

    reader thread -> queue -> [network threads] -> thread of the caller: the segmenter

With a recording the network runs ahead, on as many keyframes at once as the engine supports. With a live source it runs
on one frame at a time. There, policy "latest" drops a frame that still waits when the next one arrives, and counts it;
policy "all" lets the source wait instead.
"""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import numpy as np

from streamseg.errors import FrameError
from streamseg.features.extractor import FeatureFrame, PropagatedFrame
from streamseg.features.ladder import Ladder
from streamseg.features.scenes import SceneDetector, settled
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.workers import Reader, run_ahead
from streamseg.sources import LiveSource, Recording


def segmented(
    source: Recording | LiveSource,
    segmenter: Segmenter,
    statistics: Statistics | None = None,
    interrupted: threading.Event | None = None,
    *,
    every: int = 1,
    max_frames: int | None = None,
    batch: int = 1,
    policy: str = "latest",
    max_latency: float | None = None,
) -> Generator[tuple[Frame, Segmentation]]:
    """Yield each frame with its masks, in order, until the source ends, `max_frames` are done or `interrupted` is set.

    every: use every n-th frame, beginning with the first. batch: frames of a recording that the network takes in one
    call. policy: for live sources, see above. max_latency: milliseconds that a frame of a live source may take from
    its arrival to its masks, see `features.ladder`. statistics: updated with each frame; broken frames are skipped and
    counted there. The threads end when the generator ends or is closed. Raises the errors of the source at their place.
    """
    statistics, interrupted = statistics or Statistics(), interrupted or threading.Event()
    live = isinstance(source, LiveSource)
    # before the reader starts, because only one thread at a time may read a recording
    survey = _survey(source, segmenter, interrupted, every, max_frames)
    reader = Reader(
        source, every, max_frames, segmenter.wants_depth, statistics, interrupted, drops=live and policy == "latest"
    )
    with reader:
        frames = _UntilFailure(itertools.islice(reader, max_frames))
        planned = _plan(frames, segmenter, live)
        extractor = segmenter.extractor
        streams = 1 if live else extractor.streams
        extracted = run_ahead(
            planned, extractor.planned, streams, batch, threaded=not live, is_costly=_is_key, size=_bytes
        )
        try:
            before: Segmentation | None = None
            meter = _LatencyMeter(reader, segmenter, statistics, max_latency if live else None)
            for each in _start_scenes(extracted, segmenter, survey, interrupted, live):
                if interrupted.is_set():
                    break
                segmentation = meter.measure(each.frame, segmenter.step(each))
                _record(each, segmentation, before, segmenter, statistics)
                yield each.frame, segmentation
                before = segmentation
            if not interrupted.is_set():
                segmenter.pending.take()  # raises the error of the last keyframe, if it failed in the background
                frames.raise_failure()
        finally:
            extracted.close()
            segmenter.pending.end()


def latency_note(source: Recording | LiveSource, max_latency: float | None) -> str:
    """Return a note that `max_latency` has no effect on a recording; "" if that does not apply."""
    if max_latency is None or isinstance(source, LiveSource):
        return ""
    return "note: a recording is read no faster than it is segmented, so --max-latency, for live sources, does nothing"


def _plan(frames: Iterable[Frame], segmenter: Segmenter, live: bool) -> Iterator[Frame | PropagatedFrame]:
    """Decide for each frame whether it is a keyframe and which scene it shows.

    With a recording the scene detector looks some frames ahead, to tell a cut from a flash. With a live source that
    would delay the masks.
    """
    if live:
        return map(segmenter.plan, frames)
    if segmenter.config.scene_cuts == "restart":
        scenes = settled(frames, SceneDetector())
    else:
        scenes = ((frame, 0) for frame in frames)
    return (segmenter.plan(frame, scene) for frame, scene in _with_depth(scenes, segmenter))


def _with_depth(frames: Iterable[tuple[Frame, int]], segmenter: Segmenter) -> Generator[tuple[Frame, int]]:
    """Yield frames and scenes, one frame late: if a keyframe is due next, a thread decodes its depth meanwhile."""
    before: tuple[Frame, int] | None = None
    with ThreadPoolExecutor(1, "depth") as pool:
        for frame, scene in frames:
            due = segmenter.keyframes.is_due(1 if before is None else 2)
            started = pool.submit(getattr, frame, "depth") if due and frame.load_depth is not None else None
            if before is not None:
                yield before
            if started is not None:
                started.result()
            before = frame, scene
        if before is not None:
            yield before


def _survey(
    source: Recording | LiveSource,
    segmenter: Segmenter,
    interrupted: threading.Event,
    every: int = 1,
    max_frames: int | None = None,
) -> list[FeatureFrame]:
    """Return the features of frames spread evenly over a recording; [] if the segmenter does not need them."""
    if isinstance(source, LiveSource) or not segmenter.survey_frames:
        return []
    coming = source.coming(every, max_frames)
    if not coming:
        return []
    extracted = []
    for place in np.unique(np.linspace(0, len(coming) - 1, segmenter.survey_frames).astype(int)):
        if not interrupted.is_set():
            with suppress(FrameError):  # the reader reads this frame again, and counts it as broken
                extracted += segmenter.extractor([source[coming[int(place)]]])
    return extracted


def _start_scenes(
    extracted: Iterator[FeatureFrame | PropagatedFrame],
    segmenter: Segmenter,
    survey: list[FeatureFrame],
    interrupted: threading.Event,
    live: bool,
) -> Iterator[FeatureFrame | PropagatedFrame]:
    """Pass the frames on, and start the segmenter on the first frames of each scene before it steps on them.

    A live source waits for several frames only at its very beginning; later `step` starts a scene on one frame.
    """
    waiting: deque[FeatureFrame | PropagatedFrame] = deque()
    if survey and not interrupted.is_set():
        segmenter.start(survey)
    must_start = not survey
    while each := waiting.popleft() if waiting else next(extracted, None):
        if must_start or (not live and segmenter.begins_scene(each.frame) == "new"):
            count = max(segmenter.start_frames, segmenter.survey_frames)
            waiting.extend(itertools.islice(extracted, max(0, count - 1 - len(waiting))))
            same_scene = itertools.takewhile(lambda later: not segmenter.begins_scene(later.frame), waiting)
            first = [later for later in (each, *same_scene) if isinstance(later, FeatureFrame)]
            if not interrupted.is_set():
                segmenter.start(first)
            must_start = False
        yield each


class _UntilFailure:
    """Frames until the source ends or fails. To a stage that holds frames back, both are the end."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from self._frames
        except Exception as problem:
            self._failure = problem

    def raise_failure(self) -> None:
        """Raise the error of the source, if it failed."""
        if self._failure is not None:
            raise self._failure


class _LatencyMeter:
    """Measures how long each frame took to its masks, and lowers the quality of the segmenter if that is too long."""

    def __init__(self, reader: Reader, segmenter: Segmenter, statistics: Statistics, allowed: float | None) -> None:
        self.reader, self.segmenter, self.statistics = reader, segmenter, statistics
        self.ladder = None if allowed is None else Ladder(allowed)
        statistics.max_latency = allowed
        self.first_masks_at = 0.0  # seconds, by time.perf_counter

    def measure(self, frame: Frame, masks: Segmentation) -> Segmentation:
        """Return the masks of the frame with their `latency_ms`, see `Statistics.latency_ms`."""
        arrived, now = self.reader.arrival(frame), time.perf_counter()
        self.first_masks_at = self.first_masks_at or now
        latency = sum(masks.timings_ms.values()) if arrived is None else (now - arrived) * 1e3
        if arrived is None or arrived > self.first_masks_at:  # earlier frames waited for the start
            self.statistics.latency_ms.append(latency)
            if self.ladder and not self.segmenter.extractor.on_device:
                self._adapt(self.ladder, latency, masks.timings_ms.get("beside", 0.0))
        return replace(masks, latency_ms=latency)

    def _adapt(self, ladder: Ladder, latency: float, background: float) -> None:
        if ladder.note(latency, background):
            rung = ladder.rung
            self.segmenter.adapt_keyframes(rung.in_background, rung.factor)
            step = {"frame": self.statistics.processed + 1, "keyframes": rung.factor, "beside": rung.in_background}
            self.statistics.ladder.append(step)


def _bytes(planned: Frame | PropagatedFrame) -> int:
    frame = planned if isinstance(planned, Frame) else planned.frame
    return frame.rgb.nbytes


def _is_key(planned: Frame | PropagatedFrame) -> bool:
    return isinstance(planned, Frame)


def _record(
    extracted: FeatureFrame | PropagatedFrame,
    segmentation: Segmentation,
    before: Segmentation | None,
    segmenter: Segmenter,
    statistics: Statistics,
) -> None:
    """Add one frame to the statistics. before: the masks of the frame before it."""
    if not statistics.processed:
        statistics.intrinsics = extracted.frame.intrinsics
    statistics.key_frames += isinstance(extracted, FeatureFrame) or extracted.to_keyframe.since_pending == 0
    statistics.objects_record, statistics.no_depth = segmenter.objects_record, segmenter.no_depth
    statistics.processed += 1
    for stage, milliseconds in segmentation.timings_ms.items():
        statistics.took(stage, milliseconds)
    for i, score in segmentation.scores.items():
        statistics.scores.setdefault(i, array("f")).append(score)
    shown = segmentation.shown
    if before is not None and before.shown.shape == shown.shape:
        statistics.id_changes.append(np.count_nonzero(before.shown != shown) / shown.size)
