"""A source, a segmenter and sinks, driven at once: see `frames` for what runs beside what.

frames.segmented -> this thread -> queue -> writer thread: sinks
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext

from streamseg.errors import StopRequested
from streamseg.runtime.frames import segmented
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.signals import interruptible
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.workers import Writer
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
    max_latency: float | None = None,
    progress: Callable[[Statistics], None] | None = None,
    report: Statistics | None = None,
    interrupted: threading.Event | None = None,
) -> Statistics:
    """Segment `source` into `sinks` until it ends, `max_frames` are done, or somebody stops it.

    every, max_frames, batch, policy, max_latency: see `segmented`. progress: called after each frame. report: filled as
    the run goes on, so that a caller still has it after an error; a new one by default.
    Ctrl-C (once) and SIGTERM end the run in good order, with `stopped` = "interrupt"; a sink's StopRequested with
    "user". interrupted: the event of a caller who is inside `interruptible` already. Sinks are not closed here.
    Errors of the source or a sink are raised when the threads have ended.
    """
    report = report if report is not None else Statistics()
    with nullcontext(interrupted) if interrupted else interruptible() as interrupted:
        writer = Writer(source, [sink for sink in sinks if not sink.main_thread], report)
        options = {
            "every": every,
            "max_frames": max_frames,
            "batch": batch,
            "policy": policy,
            "max_latency": max_latency,
        }
        frames = segmented(source, segmenter, report, interrupted, **options)  # type: ignore[arg-type]
        with _accounted(source, report) as began, writer, closing(frames):
            try:
                for frame, segmentation in frames:
                    report.start_seconds = report.start_seconds or time.perf_counter() - began
                    writer.put(frame, segmentation)
                    for sink in sinks:
                        if sink.main_thread:
                            sink.write(frame, segmentation)
                    if progress:
                        progress(report)
            except StopRequested:
                report.stopped = "user"
        if interrupted.is_set():
            report.stopped = "interrupt"
    return report


@contextmanager
def _accounted(source: Recording | LiveSource, report: Statistics) -> Iterator[float]:
    """Time what is inside, from the [s] that it gives, and add the losses that the source itself knows of."""
    began = time.perf_counter()
    try:
        yield began
    finally:
        report.seconds = time.perf_counter() - began
        report.skipped[:0] = source.skipped
        report.frames_in += len(source.skipped)
