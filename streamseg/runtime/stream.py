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
    statistics: Statistics | None = None,
    interrupted: threading.Event | None = None,
) -> Statistics:
    """Write the masks of `source` to `sinks` until the source ends, `max_frames` are done, or the run is stopped.

    every, max_frames, batch, policy, max_latency: see `segmented`. progress: called after each frame. statistics:
    updated with each frame, so that the caller has them even after an error; None creates new ones. interrupted: the
    event of `interruptible`, if the caller has entered it already.

    Returns the statistics. The first Ctrl-C or SIGTERM ends the run with `stopped` = "interrupt", a sink's
    StopRequested with `stopped` = "user". The sinks stay open. Errors of the source or of a sink are raised once the
    threads have ended.
    """
    statistics = statistics or Statistics()
    with nullcontext(interrupted) if interrupted else interruptible() as interrupted:
        writer = Writer(source, [sink for sink in sinks if not sink.main_thread], statistics)
        options = {
            "every": every,
            "max_frames": max_frames,
            "batch": batch,
            "policy": policy,
            "max_latency": max_latency,
        }
        frames = segmented(source, segmenter, statistics, interrupted, **options)  # type: ignore[arg-type]
        with _timed(source, statistics) as began, writer, closing(frames):
            try:
                for frame, segmentation in frames:
                    statistics.start_seconds = statistics.start_seconds or time.perf_counter() - began
                    writer.put(frame, segmentation)
                    for sink in sinks:
                        if sink.main_thread:
                            sink.write(frame, segmentation)
                    if progress:
                        progress(statistics)
            except StopRequested:
                statistics.stopped = "user"
        if interrupted.is_set():
            statistics.stopped = "interrupt"
    return statistics


@contextmanager
def _timed(source: Recording | LiveSource, statistics: Statistics) -> Iterator[float]:
    """Measure the seconds of a run, and add the frames that the source itself skipped to the statistics.

    Yields the start time by `time.perf_counter`, in seconds.
    """
    began = time.perf_counter()
    try:
        yield began
    finally:
        statistics.seconds = time.perf_counter() - began
        statistics.skipped[:0] = source.skipped
        statistics.frames_in += len(source.skipped)
