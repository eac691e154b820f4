"""Random access to the frames of a video track by their numbers; reading them in order needs no seeking."""

from __future__ import annotations

import functools
import gc
import os
import threading
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.sources.reading.video.container import open_container
from streamseg.sources.reading.video.packets import missing_after, packets_of, rate_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

MAX_STEP = 8
"""Frames that are decoded to reach a later one; if there are more, the nearest key frame before it is sought."""


class Track:
    """The frames of stream number `stream` of the file `path`, in order of presentation.

    stamps: presentation time of each frame, in units of `time_base` seconds.
    numbered: the stream has no time stamps, and its frames are counted by decoding them all.
    keys: numbers of the key frames, sorted. halves: numbers of incomplete frames. repeats: numbers of frames that show
        the previous one again.
    missing: number of frames that the header of the file promises and its data lacks.
    fps: nominal frames per second.

    One thread at a time reads; others wait. A pickled copy and a forked process keep the stamps, and open the file
    again.
    """

    _container: InputContainer | None
    _frames: Iterator[tuple[int, Any]] | None  # decodes on from the current position
    _pending: tuple[int, Any] | None  # a frame that was decoded instead of an earlier one
    _last: tuple[int, Any] | None  # the last frame that was returned

    def __init__(self, path: str, stream: int) -> None:
        self.path, self.stream = path, stream
        with open_container(path) as container:
            source = container.streams[stream]
            if source.codec_context is None:
                raise SourceError(f"{path!r} uses a codec that is not known here", "convert it: ffmpeg -i IN OUT.mp4")
            self.time_base = float(source.time_base or 0)
            self.fps = float(source.average_rate or source.guessed_rate or 30)
            packets = packets_of(container, source)
        self.numbered = not packets.stamps
        if self.numbered:
            self.stamps: list[int] = []
            self._reset()
            self.stamps = [number for number, _ in self._decode(0)]
            self.time_base = 1 / self.fps
        else:
            self.stamps = sorted(packets.stamps)
        self.fps = rate_of(self.fps, self.stamps, self.time_base)
        self.keys = sorted(bisect_left(self.stamps, stamp) for stamp in packets.keys) or [0]
        self.missing = missing_after(packets, self.stamps, self.time_base, self.fps)
        if self.numbered:
            self.halves = frozenset(packets.halves)
        else:
            self.halves = frozenset(bisect_left(self.stamps, packets.stamps[i]) for i in packets.halves)
        self.repeats = frozenset(bisect_left(self.stamps, stamp) for stamp in packets.repeats)
        self._reset()

    def __len__(self) -> int:
        return len(self.stamps)

    def time(self, index: int) -> float:
        """Return the presentation time of frame `index` [s]."""
        return self.stamps[index] * self.time_base

    def read(self, index: int, convert: Callable[[VideoFrame], np.ndarray]) -> np.ndarray:
        """Decode frame `index` and convert it with `convert`. Raises FrameError if its data is damaged.

        `convert` is called under the lock, because two threads must not use the scaler of one picture.
        """
        while index in self.repeats and index:
            index -= 1
        if index in self.halves:
            raise FrameError("truncated video frame")
        with self._lock:
            return convert(self._picture(index))

    def _picture(self, index: int) -> VideoFrame:
        if self._last is not None and self._last[0] == index:
            picture = self._last[1]
        else:
            picture = self._find(index)
        if picture is None or picture.is_corrupt:
            raise FrameError("damaged video frame")
        return picture

    def _find(self, index: int) -> VideoFrame | None:
        """Decode frame `index`: by reading on, or from the key frame before it. None if it cannot be decoded."""
        can_read_on = self._frames is not None and index >= self._next
        key = self._key_before(index)
        if not can_read_on or (index > self._next + MAX_STEP and key > self._next):
            self._start_at(key)
        picture = self._advance(index)
        if picture is None and self._overshot:  # seeking led too far, as the index of the file is wrong
            self._start_at(0)
            picture = self._advance(index)
        return picture

    def close(self) -> None:
        """Close the file. It is opened again when a frame is read."""
        with self._lock:
            if self._container is not None:
                self._container.close()
            self._container = self._frames = self._pending = self._last = None

    def _key_before(self, index: int) -> int:
        """Return the number of the last key frame at or before frame `index`."""
        return self.keys[max(bisect_right(self.keys, index) - 1, 0)]

    def _start_at(self, key: int) -> None:
        """Decode from key frame `key` on. `_overshot` stays True until a frame up to the wanted one is decoded."""
        self._frames = self._decode(key)
        self._next, self._pending, self._overshot = key, None, True

    def _advance(self, index: int) -> VideoFrame | None:
        """Decode up to frame `index`; None if a later one follows instead, which is kept in `_pending`."""
        assert self._frames is not None
        while True:
            item = self._pending or next(self._frames, None)
            self._pending = None
            if item is None or item[0] > index:
                self._pending, self._next = item, index + 1
                return None
            self._overshot = False
            self._next, self._last = item[0] + 1, item
            if item[0] == index:
                return item[1]

    def _decode(self, key: int) -> Iterator[tuple[int, Any]]:
        """Yield (number, picture) from key frame `key` on, without pictures that cannot be decoded. In a numbered
        stream these are yielded as None, because they count as frames."""
        import av

        container = self._container
        if container is None or key == 0 or self.numbered:
            if container is not None:
                self._container = None
                container.close()  # without this, the pictures of its decoder stay in memory
            container = self._container = self._open()
        stream: Any = container.streams[self.stream]
        if key:
            try:
                container.seek(self.stamps[key], stream=stream)
            except av.error.FFmpegError:
                return
        count = 0
        packets = container.demux(stream)
        while True:
            try:
                pictures = next(packets).decode()
            except StopIteration:
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                if self.numbered:
                    yield count, None
                    count += 1
                continue
            for picture in pictures:
                if self.numbered:
                    yield count, picture
                elif picture.pts is not None:
                    number = bisect_left(self.stamps, picture.pts)
                    if number < len(self.stamps) and self.stamps[number] == picture.pts:
                        yield number, picture
                count += 1

    def _open(self) -> InputContainer:
        """Open the file. Raises FrameError if it does not exist any more."""
        try:
            container = open_container(self.path)
        except SourceError:
            raise FrameError("video file is gone") from None
        stream: Any = container.streams[self.stream]
        stream.thread_type = "AUTO"
        return container

    def _reset(self) -> None:
        """Forget the open file and the position in it."""
        self._lock = threading.Lock()
        self._container = self._frames = self._pending = self._last = None
        self._next, self._overshot = 0, True
        _watch_forks().add(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset()


@functools.cache
def _watch_forks() -> weakref.WeakSet[Track]:
    """Return the set of all tracks of this process, and register the hooks that reset them after a fork.

    The child must not use what the parent had open: FFmpeg's threads do not exist there, and the position in the file
    is the parent's. Nor may it free these objects, because freeing waits for the threads. This also holds for garbage
    that the parent has not collected yet, such as pictures with their scalers. So the garbage collector is off during
    the fork, until the child has frozen all objects: hooks of other modules may run before.
    """
    tracks: weakref.WeakSet[Track] = weakref.WeakSet()
    never_freed: list[Any] = []
    forking = threading.Lock()  # one thread forks at a time
    collector_was_on = True

    def before_fork() -> None:
        nonlocal collector_was_on
        forking.acquire()
        collector_was_on = gc.isenabled()
        gc.disable()

    def after_fork() -> None:
        if collector_was_on:
            gc.enable()
        forking.release()

    def after_fork_in_child() -> None:
        gc.freeze()
        for track in list(tracks):
            never_freed.append((track._container, track._frames, track._pending, track._last))
            track._reset()
        after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before_fork, after_in_parent=after_fork, after_in_child=after_fork_in_child)
    return tracks
