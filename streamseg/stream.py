"""A source, a pipeline and sinks, driven at once: reading and writing overlap the computing, through bounded queues.

    reader thread -> queue -> this thread: pipeline -> queue -> writer thread

A live source must not fall behind: when its queue is full the oldest frame is dropped, and counted.
"""

from __future__ import annotations

import itertools
import queue
import signal
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from streamseg.errors import FrameError, StopRequested
from streamseg.frame import Frame, Segmentation
from streamseg.pipeline import Pipeline
from streamseg.sinks import Sink
from streamseg.sources import LiveSource, Recording, Skip

QUEUE = 4
"""Frames that may wait before and after the pipeline: enough to smooth, few enough to keep memory and latency low."""


@dataclass
class Report:
    """What happened. Times in milliseconds by frame processed, in order; `seconds` from the first read to the end.

    frames_in: read or found broken. dropped: of a live source, because the pipeline was busy. skipped: broken ones.
    no_depth: reasons why frames of an RGB-D source had none. id_changes: for each frame after the first, the share
    of its pixels whose id is another than in the frame before (frames of one size).
    """

    frames_in: int = 0
    processed: int = 0
    dropped: int = 0
    skipped: list[Skip] = field(default_factory=list)
    no_depth: Counter[str] = field(default_factory=Counter)
    latency_ms: array[float] = field(default_factory=lambda: array("f"))
    stage_ms: dict[str, array[float]] = field(default_factory=dict)
    id_changes: array[float] = field(default_factory=lambda: array("f"))
    seconds: float = 0.0
    stopped: str = ""

    def took(self, stage: str, milliseconds: float) -> None:
        """Note the time of one stage of one frame."""
        self.stage_ms.setdefault(stage, array("f")).append(milliseconds)

    @property
    def fps(self) -> float:
        """Frames processed for each second of the whole run, reading and writing included."""
        return self.processed / self.seconds if self.seconds else 0.0


def stream(
    source: Recording | LiveSource,
    pipeline: Pipeline,
    sinks: Sequence[Sink],
    *,
    every: int = 1,
    max_frames: int | None = None,
    progress: Callable[[Report], None] | None = None,
    report: Report | None = None,
) -> Report:
    """Segment `source` into `sinks` until it ends, `max_frames` are done, or somebody stops it.

    every: of each n frames the first. progress: called after each frame. Broken frames are skipped and counted.
    report: filled as the run goes on, so that a caller still has it after an error; a new one by default.
    Ctrl-C (once) and SIGTERM end the run in good order, with `stopped` = "interrupt"; a sink's StopRequested with
    "user". Sinks are not closed here. Errors of the source or a sink are raised when the threads have ended.
    """
    report = report if report is not None else Report()
    with _interruptible() as interrupted:
        reader = _Reader(source, every, max_frames, pipeline.wants_depth, report, interrupted)
        writer = _Writer([sink for sink in sinks if not sink.main_thread], report)
        with _accounted(source, report), reader, writer:
            frames = iter(reader)
            first = list(itertools.islice(frames, pipeline.start_frames))
            if first and not interrupted.is_set():
                pipeline.start(first)
            before: Segmentation | None = None
            try:
                for frame in itertools.islice(itertools.chain(first, frames), max_frames):
                    if interrupted.is_set():
                        break
                    segmentation = _step(pipeline, frame, before, report)
                    before = segmentation
                    for sink in sinks:
                        if sink.main_thread:
                            sink.write(frame, segmentation)
                    writer.put(frame, segmentation)
                    if progress:
                        progress(report)
            except StopRequested:
                report.stopped = "user"
        if interrupted.is_set():
            report.stopped = "interrupt"
    return report


def _step(pipeline: Pipeline, frame: Frame, before: Segmentation | None, report: Report) -> Segmentation:
    """Segment one frame and note how it went."""
    started = time.perf_counter()
    segmentation = pipeline.step(frame)
    report.latency_ms.append((time.perf_counter() - started) * 1e3)
    report.processed += 1
    for stage, milliseconds in segmentation.timings_ms.items():
        report.took(stage, milliseconds)
    if frame.depth_problem:
        report.no_depth[frame.depth_problem] += 1
    labels = segmentation.labels
    if before is not None and before.labels.shape == labels.shape:
        report.id_changes.append(np.count_nonzero(before.labels != labels) / labels.size)
    return segmentation


@contextmanager
def _accounted(source: Recording | LiveSource, report: Report) -> Iterator[None]:
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


class _Reader:
    """Reads ahead in a thread. Iterating gives frames; an error of the source is raised there."""

    def __init__(
        self,
        source: Recording | LiveSource,
        every: int,
        max_frames: int | None,
        depth: bool,
        report: Report,
        interrupted: threading.Event,
    ) -> None:
        self.source, self.every, self.max_frames, self.depth = source, every, max_frames, depth
        self.report, self.interrupted = report, interrupted
        self.queue: queue.Queue[Frame | BaseException | None] = queue.Queue(QUEUE)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._work, name="reader", daemon=True)

    def __enter__(self) -> _Reader:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        if isinstance(self.source, LiveSource):
            self.source.close()  # it may be waiting for a camera
        self.thread.join(timeout=10)

    def __iter__(self) -> Iterator[Frame]:
        while not self.interrupted.is_set():  # also while a camera gives nothing
            try:
                item = self.queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _work(self) -> None:
        try:
            live = isinstance(self.source, LiveSource)
            # what is dropped later must not count, so a live source is limited where frames are taken out
            for frame in self._live() if live else itertools.islice(self._recorded(), self.max_frames):
                self._put(frame, drop=live)
                if self.stop.is_set():
                    return
            self._put(None)
        except BaseException as problem:
            self._put(problem)

    def _recorded(self) -> Iterator[Frame]:
        assert isinstance(self.source, Recording)
        for index in range(0, len(self.source), self.every):
            started = time.perf_counter()
            self.report.frames_in += 1
            try:
                frame = self.source[index]
                if self.depth:
                    frame.depth  # noqa: B018 (decodes it here, ahead of the pipeline)
            except FrameError as problem:
                self.report.skipped.append(Skip(self.source.name_of(index), str(problem)))
                continue
            self.report.took("read", (time.perf_counter() - started) * 1e3)
            yield frame

    def _live(self) -> Iterator[Frame]:
        assert isinstance(self.source, LiveSource)
        for number, frame in enumerate(self.source):
            self.report.frames_in += 1
            if number % self.every == 0:
                yield frame

    def _put(self, item: Frame | BaseException | None, drop: bool = False) -> None:
        while not self.stop.is_set():
            try:
                return self.queue.put(item, timeout=0 if drop else 0.1)
            except queue.Full:
                if drop:
                    try:
                        self.queue.get_nowait()
                        self.report.dropped += 1
                    except queue.Empty:
                        pass


class _Writer:
    """Writes in a thread, in order. An error there is raised by the next `put`, or on leaving."""

    def __init__(self, sinks: Sequence[Sink], report: Report) -> None:
        self.sinks, self.report = sinks, report
        self.queue: queue.Queue[tuple[Frame, Segmentation] | None] = queue.Queue(QUEUE)
        self.problem: BaseException | None = None
        self.thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def __enter__(self) -> _Writer:
        self.thread.start()
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self.queue.put(None)
        self.thread.join()
        if self.problem is not None and kind is None:
            raise self.problem

    def put(self, frame: Frame, segmentation: Segmentation) -> None:
        if self.problem is not None:
            raise self.problem
        self.queue.put((frame, segmentation))

    def _work(self) -> None:
        while (item := self.queue.get()) is not None:
            if self.problem is not None:
                continue  # keep emptying the queue, so that nobody waits on it
            try:
                started = time.perf_counter()
                for sink in self.sinks:
                    sink.write(*item)
                self.report.took("write", (time.perf_counter() - started) * 1e3)
            except BaseException as problem:
                self.problem = problem
