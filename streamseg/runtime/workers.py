"""The threads around the segmenter: one reads frames, some run the network, one writes masks, with bounded queues."""

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
"""Capacity in frames of the queues before and after the segmenter. QUEUE, for a recording, is the distance between two
keyframes, so that the other threads go on while the segmenter works on one. LIVE_QUEUE, for a live source, is smaller,
because a frame that waits is late."""
MAX_FRAMES, MAX_BYTES = 16, 64 << 20
"""The most frames, and bytes of their images, that go to the network as one group: if keyframes are far apart, the
frames between them must not all be held in memory."""


F = TypeVar("F")
T = TypeVar("T")


def run_ahead(
    frames: Iterable[F],
    compute: Callable[[Sequence[F], int], Sequence[T]],
    streams: int,
    batch: int,
    threaded: bool,
    is_costly: Callable[[F], bool] = lambda frame: True,
    size: Callable[[F], int] = lambda frame: 0,
) -> Generator[T]:
    """Yield the results of `compute(group of frames, batch)` for all frames, one result a frame, in order.

    threaded: run `streams` calls at once, in threads, ahead of the caller. A group holds `batch` costly frames, and a
    result may have to wait until its group is full. If False, each frame is computed by itself when it is requested.
    is_costly: whether `compute` takes time for a frame. The others join the group of the next costly frame, until the
    group has MAX_FRAMES frames, or MAX_BYTES bytes. size: bytes of a frame.

    An error of `frames` or `compute` is raised after the results of the frames before it.
    """
    if not threaded:
        for frame in frames:
            yield from compute([frame], 1)
        return
    problems: list[Exception] = []
    results: deque[Future[Sequence[T]]] = deque()
    with ThreadPoolExecutor(streams, "network") as pool:
        try:
            for group in _groups(frames, batch, is_costly, size, problems):
                results.append(pool.submit(compute, group, batch))
                if len(results) > streams:
                    yield from results.popleft().result()
            while results:
                yield from results.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
    if problems:
        raise problems[0]


def _groups(
    frames: Iterable[F], batch: int, is_costly: Callable[[F], bool], size: Callable[[F], int], problems: list[Exception]
) -> Iterator[list[F]]:
    """Yield the frames in groups, see `run_ahead`. An error of `frames` ends them, and is added to `problems`."""
    group: list[F] = []
    try:
        count = bytes_held = 0
        for frame in frames:
            group.append(frame)
            count += is_costly(frame)
            bytes_held += size(frame)
            if count == batch or len(group) >= max(batch, MAX_FRAMES) or bytes_held >= MAX_BYTES:
                yield group
                group, count, bytes_held = [], 0, 0
    except Exception as problem:
        problems.append(problem)
    if group:
        yield group


def _queue_size(source: Recording | LiveSource) -> int:
    return LIVE_QUEUE if isinstance(source, LiveSource) else QUEUE


class Reader:
    """Reads frames ahead, in a thread. Iterate over it to get them; this raises the errors of the source.

    every, max_frames, statistics, interrupted: see `frames.segmented`. depth: decode the depth ahead, too. drops: keep
    only the newest frame if the source is faster than the segmenter; if False, the source waits.
    """

    def __init__(
        self,
        source: Recording | LiveSource,
        every: int,
        max_frames: int | None,
        depth: bool,
        statistics: Statistics,
        interrupted: threading.Event,
        drops: bool = False,
    ) -> None:
        self.source, self.every, self.max_frames, self.depth = source, every, max_frames, depth
        self.statistics, self.interrupted, self.drops = statistics, interrupted, drops
        self.queue: queue.Queue[Frame | BaseException | None] = queue.Queue(1 if drops else _queue_size(source))
        self._arrived: dict[int, float] = {}  # live source: id(frame) -> seconds by time.perf_counter
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._work, name="reader", daemon=True)

    def __enter__(self) -> Reader:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        if isinstance(self.source, LiveSource):
            self.source.close()  # ends a wait for the camera
        self.thread.join(timeout=10)

    def __iter__(self) -> Iterator[Frame]:
        while not self.interrupted.is_set():
            try:
                item = self.queue.get(timeout=0.1)  # so that an interrupt ends a wait for the camera
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def arrival(self, frame: Frame) -> float | None:
        """Return and forget when a frame of a live source arrived, by `time.perf_counter`; None for a recording."""
        return self._arrived.pop(id(frame), None)

    def _work(self) -> None:
        try:
            live = isinstance(self.source, LiveSource)
            # max_frames counts no dropped frame: `segmented` limits a live source where it takes frames out
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
            self.statistics.frames_in += 1
            try:
                frame = self.source[index]
                timer.part("picture")
                if self.depth:
                    frame.depth  # noqa: B018 (decodes the depth, which the frame then keeps)
                    timer.part("depth")
            except FrameError as problem:
                self.statistics.skipped.append(Skip(self.source.name_of(index), str(problem)))
                continue
            self.statistics.took("read", timer.lap("read"))
            yield frame

    def _live(self) -> Iterator[Frame]:
        assert isinstance(self.source, LiveSource)
        for number, frame in enumerate(self.source):
            self.statistics.frames_in += 1
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
                        self.statistics.dropped += 1
                    except queue.Empty:
                        pass


class Writer:
    """Writes masks to sinks in a thread, in order. The next `put`, or the end of the context, raises its error."""

    def __init__(self, source: Recording | LiveSource, sinks: Sequence[Sink], statistics: Statistics) -> None:
        self.sinks, self.statistics = sinks, statistics
        self.queue: queue.Queue[tuple[Frame, Segmentation] | None] = queue.Queue(_queue_size(source))
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
        """Queue a frame and its masks; waits while the queue is full."""
        if self.problem is not None:
            raise self.problem
        self.queue.put((frame, segmentation))

    def _work(self) -> None:
        while (item := self.queue.get()) is not None:
            if self.problem is not None:
                continue  # keep emptying the queue, so that `put` never blocks
            try:
                timer = StageTimer()
                for sink in self.sinks:
                    sink.write(*item)
                self.statistics.took("write", timer.lap("write"))
            except BaseException as problem:
                self.problem = problem
