"""A source through a segmenter, as a generator: reading, the network and the stages overlap, through bounded queues.

    reader thread -> queue -> [network threads] -> whoever iterates: the segmenter

Of a recording the network runs ahead, on as many keyframes at once as the engine likes; of a live source it runs on one
frame at a time, as fast as it can. A live source must not fall behind: a frame that still waits when the next one comes
is dropped, and counted (policy "latest"); policy "all" lets the source wait instead.
"""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from streamseg.errors import FrameError
from streamseg.features.extractor import FeatureFrame, PropagatedFrame
from streamseg.features.ladder import Ladder
from streamseg.features.scenes import Scenes, settled
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.workers import Reader, ahead
from streamseg.sources import LiveSource, Recording


def segmented(
    source: Recording | LiveSource,
    segmenter: Segmenter,
    report: Statistics,
    interrupted: threading.Event,
    *,
    every: int = 1,
    max_frames: int | None = None,
    batch: int = 1,
    policy: str = "latest",
    max_latency: float | None = None,
) -> Generator[tuple[Frame, Segmentation]]:
    """Each frame and its masks, in order, until the source ends, `max_frames` are done or `interrupted` is set.

    every: of each n frames the first. batch: frames of a recording that the network takes in one call. policy: of live
    sources, see above. max_latency: milliseconds that a live source is held to, see `features.ladder`. report: filled
    as it goes on; broken frames are skipped and counted. The threads end when the generator does or is closed. Errors
    of the source are raised here.
    """
    live = isinstance(source, LiveSource)
    ladder = Ladder(max_latency) if max_latency is not None else None
    # before the reader starts: a recording is read by one thread at a time
    survey = _survey(source, segmenter, interrupted, every, max_frames)
    reader = Reader(
        source, every, max_frames, segmenter.wants_depth, report, interrupted, drops=live and policy == "latest"
    )
    with reader:
        planned = _planned(itertools.islice(reader, max_frames), segmenter, live)
        streams = 1 if live else segmenter.extractor.streams
        seen = ahead(
            planned, segmenter.extractor.planned, streams, batch, patient=not live, counts=_is_key, size=_bytes
        )
        try:
            before: Segmentation | None = None
            timed = _Timed(reader, segmenter, report, ladder if live else None)
            for one in _started(seen, segmenter, survey, interrupted, live):
                if interrupted.is_set():
                    break
                segmentation = timed(one.frame, segmenter.step(one))
                _note(one, segmentation, before, segmenter, report)
                yield one.frame, segmentation
                before = segmentation
            if not interrupted.is_set():
                segmenter.beside.take()  # an error in the last keyframe is the run's
        finally:
            seen.close()
            segmenter.beside.end()


def held_back(source: Recording | LiveSource, max_latency: float | None) -> str:
    """A line where `max_latency` was asked for and does nothing, else ""."""
    if max_latency is None or isinstance(source, LiveSource):
        return ""
    return "note: a recording is read no faster than it is segmented, so --max-latency, for live sources, does nothing"


def _planned(coming: Iterable[Frame], segmenter: Segmenter, live: bool) -> Iterator[Frame | PropagatedFrame]:
    """Of a recording a look ahead tells a cut from a flash; a live source has none to spare."""
    looks_ahead = not live and segmenter.config.scene_cuts == "restart"
    told = settled(coming, Scenes()) if looks_ahead else zip(coming, itertools.repeat(0))
    return itertools.starmap(segmenter.plan, told)


def _survey(
    source: Recording | LiveSource,
    segmenter: Segmenter,
    interrupted: threading.Event,
    every: int = 1,
    max_frames: int | None = None,
) -> list[FeatureFrame]:
    """Frames spread evenly over those to come, seen ahead, where the segmenter has a use for them."""
    if isinstance(source, LiveSource) or not segmenter.survey_frames:
        return []
    coming = source.coming(every, max_frames)
    if not coming:
        return []
    seen = []
    for place in np.unique(np.linspace(0, len(coming) - 1, segmenter.survey_frames).astype(int)):
        if not interrupted.is_set():
            with suppress(FrameError):  # the reader counts it when its turn comes
                seen += segmenter.extractor([source[coming[int(place)]]])
    return seen


def _started(
    seen: Iterator[FeatureFrame | PropagatedFrame],
    segmenter: Segmenter,
    survey: list[FeatureFrame],
    interrupted: threading.Event,
    live: bool,
) -> Iterator[FeatureFrame | PropagatedFrame]:
    """What is seen, as it is; before the first of a scene is passed on, the segmenter starts on the first ones of it.
    A live source does not wait for them in its midst: there `step` starts on one frame."""
    waiting: deque[FeatureFrame | PropagatedFrame] = deque()
    if survey and not interrupted.is_set():
        segmenter.start(survey)
    starts = not survey
    while one := waiting.popleft() if waiting else next(seen, None):
        if starts or (not live and segmenter.begins_scene(one.frame) == "new"):
            count = max(segmenter.start_frames, segmenter.survey_frames)
            waiting.extend(itertools.islice(seen, max(0, count - 1 - len(waiting))))
            same = itertools.takewhile(lambda later: not segmenter.begins_scene(later.frame), waiting)
            first = [found for found in (one, *same) if isinstance(found, FeatureFrame)]
            if not interrupted.is_set():
                segmenter.start(first)
            starts = False
        yield one


class _Timed:
    """Says how long each frame took to its masks, and has the segmenter give something up where that is too long."""

    def __init__(self, reader: Reader, segmenter: Segmenter, report: Statistics, ladder: Ladder | None) -> None:
        self.reader, self.segmenter, self.report, self.ladder = reader, segmenter, report, ladder
        report.max_latency = ladder.allowed if ladder else None
        self.first = 0.0  # when the first masks were there

    def __call__(self, frame: Frame, found: Segmentation) -> Segmentation:
        arrived, now = self.reader.arrival(frame), time.perf_counter()
        self.first = self.first or now
        waited = sum(found.timings_ms.values()) if arrived is None else (now - arrived) * 1e3
        if arrived is None or arrived > self.first:  # what waited for the start says nothing of the rest
            self.report.latency_ms.append(waited)
            if self.ladder and not self.segmenter.extractor.on_device:
                self._keep_up(self.ladder, waited, found.timings_ms.get("beside", 0.0))
        return replace(found, latency_ms=waited)

    def _keep_up(self, ladder: Ladder, waited: float, beside: float) -> None:
        if ladder.note(waited, beside):
            rung = ladder.rung
            self.segmenter.hurry(rung.beside, rung.factor)
            step = {"frame": self.report.processed + 1, "keyframes": rung.factor, "beside": rung.beside}
            self.report.ladder.append(step)


def _bytes(planned: Frame | PropagatedFrame) -> int:
    frame = planned if isinstance(planned, Frame) else planned.frame
    return frame.rgb.nbytes


def _is_key(planned: Frame | PropagatedFrame) -> bool:
    return isinstance(planned, Frame)


def _note(
    seen: FeatureFrame | PropagatedFrame,
    segmentation: Segmentation,
    before: Segmentation | None,
    segmenter: Segmenter,
    report: Statistics,
) -> None:
    """Note how one frame went. before: what was found in the one before it."""
    frame = seen.frame
    if not report.processed:
        report.intrinsics = frame.intrinsics
    report.key_frames += isinstance(seen, FeatureFrame) or seen.way.begun == 0
    report.noted, report.no_depth = segmenter.noted, segmenter.no_depth
    report.processed += 1
    for stage, milliseconds in segmentation.timings_ms.items():
        report.took(stage, milliseconds)
    for i, score in segmentation.scores.items():
        report.scores.setdefault(i, array("f")).append(score)
    shown = segmentation.shown
    if before is not None and before.shown.shape == shown.shape:
        report.id_changes.append(np.count_nonzero(before.shown != shown) / shown.size)
