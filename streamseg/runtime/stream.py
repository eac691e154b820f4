"""A source, a segmenter and sinks, driven at once: reading and writing overlap the computing, through bounded queues.

    reader thread -> queue -> [network threads] -> this thread: segmenter -> queue -> writer thread

Of a recording the network looks ahead, at as many key frames at once as the engine likes; of a live source it looks at
one frame at a time, as fast as it can. A live source must not fall behind: a frame that still waits when the next one
comes is dropped, and counted (policy "latest"); policy "all" lets the source wait instead.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import numpy as np

from streamseg.errors import FrameError, StopRequested
from streamseg.features.extractor import FeatureFrame
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.segmenter import PropagatedFrame, Segmenter
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.workers import Reader, Writer, ahead
from streamseg.sinks import Sink
from streamseg.sources import LiveSource, Recording


def stream(
    source: Recording | LiveSource,
    segmenter: Segmenter,
    sinks: Sequence[Sink],
    *,
    every: int = 1,
    max_frames: int | None = None,
    batch: int = 1,
    policy: str = "latest",
    progress: Callable[[Statistics], None] | None = None,
    report: Statistics | None = None,
) -> Statistics:
    """Segment `source` into `sinks` until it ends, `max_frames` are done, or somebody stops it.

    every: of each n frames the first. batch: frames of a recording that the network takes in one call. policy: of live
    sources, "latest" or "all", see above. progress: called after each frame. Broken frames are skipped and counted.
    report: filled as the run goes on, so that a caller still has it after an error; a new one by default.
    Ctrl-C (once) and SIGTERM end the run in good order, with `stopped` = "interrupt"; a sink's StopRequested with
    "user". Sinks are not closed here. Errors of the source or a sink are raised when the threads have ended.
    """
    report = report if report is not None else Statistics()
    with _interruptible() as interrupted:
        live = isinstance(source, LiveSource)
        drops = live and policy == "latest"
        reader = Reader(source, every, max_frames, segmenter.wants_depth, report, interrupted, drops)
        writer = Writer([sink for sink in sinks if not sink.main_thread], report)
        with _accounted(source, report), ExitStack() as threads:
            # before the reader starts: a recording is read by one thread at a time
            survey = _survey(source, segmenter, interrupted, every, max_frames)
            threads.enter_context(reader)
            threads.enter_context(writer)
            planned = map(segmenter.plan, itertools.islice(reader, max_frames))
            streams = 1 if live else segmenter.extractor.streams
            seen = ahead(planned, segmenter.extractor.planned, streams, batch, patient=not live, counts=_is_key)
            first = [] if survey else list(itertools.islice(seen, segmenter.start_frames))
            if (survey or first) and not interrupted.is_set():
                segmenter.start(survey or [one for one in first if isinstance(one, FeatureFrame)])
            before: Segmentation | None = None
            try:
                for one in itertools.chain(first, seen):
                    if interrupted.is_set():
                        break
                    frame = one.frame
                    segmentation = _step(segmenter, one, before, report)
                    before = segmentation
                    writer.put(frame, segmentation)
                    for sink in sinks:
                        if sink.main_thread:
                            sink.write(frame, segmentation)
                    if progress:
                        progress(report)
            except StopRequested:
                report.stopped = "user"
            finally:
                seen.close()
        if interrupted.is_set():
            report.stopped = "interrupt"
    return report


def _survey(
    source: Recording | LiveSource,
    segmenter: Segmenter,
    interrupted: threading.Event,
    every: int = 1,
    max_frames: int | None = None,
) -> list[FeatureFrame]:
    """Frames spread evenly over those to come, looked at ahead, where the segmenter has a use for them."""
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


def _is_key(planned: Frame | PropagatedFrame) -> bool:
    return isinstance(planned, Frame)


def _step(
    segmenter: Segmenter, seen: FeatureFrame | PropagatedFrame, before: Segmentation | None, report: Statistics
) -> Segmentation:
    """Segment one frame and note how it went."""
    frame = seen.frame
    segmentation = segmenter.step(seen)
    report.key_frames += isinstance(seen, FeatureFrame)
    report.latency_ms.append(sum(segmentation.timings_ms.values()))
    report.processed += 1
    for stage, milliseconds in segmentation.timings_ms.items():
        report.took(stage, milliseconds)
    if frame.depth_problem:
        report.no_depth[frame.depth_problem] += 1
    labels = segmentation.regions
    if before is not None and before.regions.shape == labels.shape:
        report.id_changes.append(np.count_nonzero(before.regions != labels) / labels.size)
    return segmentation


@contextmanager
def _accounted(source: Recording | LiveSource, report: Statistics) -> Iterator[None]:
    """Time what is inside, and add the losses that the source itself knows of."""
    began = time.perf_counter()
    try:
        yield
    finally:
        report.seconds = time.perf_counter() - began
        report.skipped[:0] = source.skipped
        report.frames_in += len(source.skipped)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """While inside, the first Ctrl-C or SIGTERM only sets the event, so that files get closed; the next one kills."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield event
        return
    previous = {}

    def handle(number: int, _stack: object) -> None:
        event.set()
        signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, handle)
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
