"""The threads beside the segmenter: one reads ahead, some look ahead, one writes behind, through bounded queues."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from streamseg.errors import FrameError
from streamseg.features.timing import StageTimer
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.statistics import Statistics
from streamseg.sinks import Sink
from streamseg.sources import LiveSource, Recording, Skip

QUEUE, LIVE_QUEUE = 8, 4
"""Frames of a recording that may wait before and after the segmenter: as many as lie between two keyframes, so that the
threads beside it work on while it is busy with one. Of a live source fewer, for those that wait are late."""
LONGEST, LARGEST = 16, 64 << 20
"""Frames, and bytes, that travel through the network's queue as one at most: a long way between keyframes must not hold
them all in memory."""


F = TypeVar("F")
T = TypeVar("T")


def ahead(
    frames: Iterable[F],
    look: Callable[[Sequence[F], int], Sequence[T]],
    streams: int,
    batch: int,
    patient: bool,
    counts: Callable[[F], bool] = lambda frame: True,
    size: Callable[[F], int] = lambda frame: 0,
) -> Generator[T]:
    """`look(frames, batch)` over all `frames`, `batch` at a time, in order. Errors, of `frames` too, come in turn.

    counts: whether a frame counts for the batch; those that do not cost no time and travel with the next that does, as
    long as no more than LONGEST frames and, by their `size` in bytes, LARGEST bytes wait for it.
    patient: `streams` calls run at once, in threads, ahead of whoever takes the results; a result may wait for further
    frames to come. Otherwise each frame is looked at by itself, when it is asked for.
    """
    if not patient:
        for frame in frames:
            yield from look([frame], 1)
        return
    ended: list[Exception] = []
    waiting: deque[Future[Sequence[T]]] = deque()
    with ThreadPoolExecutor(streams, "network") as pool:
        try:
            for group in _groups(frames, batch, counts, size, ended):
                waiting.append(pool.submit(look, group, batch))
                if len(waiting) > streams:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
    if ended:
        raise ended[0]


def _groups(
    frames: Iterable[F], batch: int, counts: Callable[[F], bool], size: Callable[[F], int], ended: list[Exception]
) -> Iterator[list[F]]:
    """The frames as they go to the network; an error of `frames` ends it, and is put into `ended`."""
    group: list[F] = []
    try:
        count = held = 0
        for frame in frames:
            group.append(frame)
            count += counts(frame)
            held += size(frame)
            if count == batch or len(group) >= max(batch, LONGEST) or held >= LARGEST:
                yield group
                group, count, held = [], 0, 0
    except Exception as problem:
        ended.append(problem)
    if group:
        yield group


def _room(source: Recording | LiveSource) -> int:
    return LIVE_QUEUE if isinstance(source, LiveSource) else QUEUE


class Reader:
    """Reads ahead in a thread. Iterating gives frames; an error of the source is raised there.

    drops: of a source that is faster than the segmenter only the newest frame is kept; else the source waits.
    """

    def __init__(
        self,
        source: Recording | LiveSource,
        every: int,
        max_frames: int | None,
        depth: bool,
        report: Statistics,
        interrupted: threading.Event,
        drops: bool = False,
    ) -> None:
        self.source, self.every, self.max_frames, self.depth = source, every, max_frames, depth
        self.report, self.interrupted, self.drops = report, interrupted, drops
        self.queue: queue.Queue[Frame | BaseException | None] = queue.Queue(1 if drops else _room(source))
        self._arrived: dict[int, float] = {}  # of frames of a live source, by what they are in memory
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._work, name="reader", daemon=True)

    def __enter__(self) -> Reader:
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

    def arrival(self, frame: Frame) -> float | None:
        """When a frame of a live source came, by `time.perf_counter`, to be asked for once; None of a recording."""
        return self._arrived.pop(id(frame), None)

    def _work(self) -> None:
        try:
            live = isinstance(self.source, LiveSource)
            # what is dropped later must not count, so a live source is limited where frames are taken out
            for frame in self._live() if live else itertools.islice(self._recorded(), self.max_frames):
                self._put(frame, drop=self.drops)
                if self.stop.is_set():
                    return
            self._put(None)
        except BaseException as problem:
            self._put(problem)

    def _recorded(self) -> Iterator[Frame]:
        assert isinstance(self.source, Recording)
        for index in range(0, len(self.source), self.every):
            timer = StageTimer()
            self.report.frames_in += 1
            try:
                frame = self.source[index]
                timer.part("picture")
                if self.depth:
                    frame.depth  # noqa: B018 (decodes it here, ahead of the segmenter)
                    timer.part("depth")
            except FrameError as problem:
                self.report.skipped.append(Skip(self.source.name_of(index), str(problem)))
                continue
            self.report.took("read", timer.lap("read"))
            yield frame

    def _live(self) -> Iterator[Frame]:
        assert isinstance(self.source, LiveSource)
        for number, frame in enumerate(self.source):
            self.report.frames_in += 1
            if number % self.every == 0:
                self._arrived[id(frame)] = time.perf_counter()
                yield frame

    def _put(self, item: Frame | BaseException | None, drop: bool = False) -> None:
        while not self.stop.is_set():
            try:
                return self.queue.put(item, timeout=0 if drop else 0.1)
            except queue.Full:
                if drop:
                    try:
                        self._arrived.pop(id(self.queue.get_nowait()), None)
                        self.report.dropped += 1
                    except queue.Empty:
                        pass


class Writer:
    """Writes in a thread, in order. An error there is raised by the next `put`, or on leaving."""

    def __init__(self, source: Recording | LiveSource, sinks: Sequence[Sink], report: Statistics) -> None:
        self.sinks, self.report = sinks, report
        self.queue: queue.Queue[tuple[Frame, Segmentation] | None] = queue.Queue(_room(source))
        self.problem: BaseException | None = None
        self.thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def __enter__(self) -> Writer:
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
                timer = StageTimer()
                for sink in self.sinks:
                    sink.write(*item)
                self.report.took("write", timer.lap("write"))
            except BaseException as problem:
                self.problem = problem
