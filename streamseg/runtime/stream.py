"""Segment a source and write its masks to sinks. Reading, computing and writing overlap:

    frames.segmented -> this thread -> queue -> writer thread: sinks

`frames` describes the threads before it.
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
    """Write the masks of `source` to `sinks` until the source ends, `max_frames` are done, or the run is stopped.

    every, max_frames, batch, policy, max_latency: see `segmented`. progress: called after each frame. report: updated
    with each frame, so that the caller has it even after an error; None creates one. interrupted: the event of
    `interruptible`, if the caller has entered it already.

    Returns the report. The first Ctrl-C or SIGTERM ends the run with `stopped` = "interrupt", a sink's StopRequested
    with `stopped` = "user". The sinks stay open. Errors of the source or of a sink are raised once the threads have
    ended.
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
        with _timed(source, report) as began, writer, closing(frames):
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
def _timed(source: Recording | LiveSource, report: Statistics) -> Iterator[float]:
    """Measure the seconds of a run, and add the frames that the source itself skipped to the report.

    Yields the start time by `time.perf_counter`, in seconds.
    """
    began = time.perf_counter()
    try:
        yield began
    finally:
        report.seconds = time.perf_counter() - began
        report.skipped[:0] = source.skipped
        report.frames_in += len(source.skipped)
