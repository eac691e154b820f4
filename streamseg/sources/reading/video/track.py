"""One picture track of a video file, by frame number: exact random access, and no seeking while read in order."""

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
from streamseg.sources.reading.video.packets import missing_after, packets_of, rate_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

STEP = 8
"""Going ahead by at most this many frames decodes them; a longer way looks for a key frame."""


def open_container(path: str) -> InputContainer:
    """Open a media file for reading. Raises SourceError where it is none."""
    import av

    try:
        # "file:", because FFmpeg takes what stands before a colon, as in 2024-05-01T12:30.mp4, for a protocol
        return av.open("file:" + path, metadata_errors="replace", options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if not os.path.isfile(path):
            raise SourceError(f"there is no video file {path!r}", "check the path") from None
        if not os.access(path, os.R_OK):
            raise SourceError(f"{path!r} cannot be read", "check its permissions") from None
        reason = getattr(error, "strerror", None) or str(error)
        hint = "if it is one, it is damaged or truncated: its index is missing; copy or record it again"
        raise SourceError(f"{path!r} cannot be opened as a video ({reason})", hint) from None


class Track:
    """The frames of stream `stream` of the file `path`, in order of presentation.

    stamps: presentation time of each frame, in units of `time_base` seconds. missing: frames that the file's index
    promises but its data lacks. fps: nominal frames per second. One thread at a time reads; others wait. Pickling and
    forking keep the index of frames and open the file anew.
    """

    _container: InputContainer | None
    _frames: Iterator[tuple[int, Any]] | None
    _waiting: tuple[int, Any] | None
    _last: tuple[int, Any] | None

    def __init__(self, path: str, stream: int) -> None:
        self.path, self.stream = path, stream
        with open_container(path) as container:
            source = container.streams[stream]
            if source.codec_context is None:
                raise SourceError(f"{path!r} uses a codec that is not known here", "convert it: ffmpeg -i IN OUT.mp4")
            self.time_base = float(source.time_base or 0)
            self.fps = float(source.average_rate or source.guessed_rate or 30)
            packets = packets_of(container, source)
        self.numbered = not packets.stamps  # raw streams have no time stamps: count the frames, find them by decoding
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
        halves = (
            packets.halves if self.numbered else [bisect_left(self.stamps, packets.stamps[i]) for i in packets.halves]
        )
        self.halves = frozenset(halves)
        self.repeats = frozenset(bisect_left(self.stamps, stamp) for stamp in packets.repeats)
        self._reset()

    def __len__(self) -> int:
        return len(self.stamps)

    def time(self, index: int) -> float:
        """Presentation time of frame `index`, in seconds."""
        return self.stamps[index] * self.time_base

    def read(self, index: int, convert: Callable[[VideoFrame], np.ndarray]) -> np.ndarray:
        """Frame `index`, decoded and converted. Raises FrameError where its data is damaged.

        Conversion happens under the lock too: a picture brings its own scaler, which two threads must not use at once.
        """
        while index in self.repeats and index:
            index -= 1
        if index in self.halves:
            raise FrameError("truncated video frame")
        with self._lock:
            return convert(self._picture(index))

    def _picture(self, index: int) -> VideoFrame:
        picture = self._last[1] if self._last is not None and self._last[0] == index else self._found(index)
        if picture is None or picture.is_corrupt:
            raise FrameError("damaged video frame")
        return picture

    def _found(self, index: int) -> VideoFrame | None:
        ahead = self._frames is not None and index >= self._next
        if not ahead or (index > self._next + STEP and self._key(index) > self._next):
            self._begin(self._key(index))
        picture = self._advance(index)
        if picture is None and self._overshot:  # the file's own index is wrong: decode from its start
            self._begin(0)
            picture = self._advance(index)
        return picture

    def close(self) -> None:
        with self._lock:
            if self._container is not None:
                self._container.close()
            self._container = self._frames = self._waiting = self._last = None

    def _key(self, index: int) -> int:
        return self.keys[max(bisect_right(self.keys, index) - 1, 0)]

    def _begin(self, key: int) -> None:
        self._frames = self._decode(key)
        self._next, self._waiting, self._overshot = key, None, True

    def _advance(self, index: int) -> VideoFrame | None:
        """Decode up to frame `index`; None where it does not come (a later one that came instead is kept)."""
        assert self._frames is not None
        while True:
            item = self._waiting or next(self._frames, None)
            self._waiting = None
            if item is None or item[0] > index:
                self._waiting, self._next = item, index + 1
                return None
            self._overshot = False
            self._next, self._last = item[0] + 1, item
            if item[0] == index:
                return item[1]

    def _decode(self, key: int) -> Iterator[tuple[int, Any]]:
        """(number, picture) from key frame `key` on; what cannot be decoded is left out."""
        import av

        container = self._container
        if container is None or key == 0 or self.numbered:
            if container is not None:
                self._container = None
                container.close()  # left to itself it keeps its decoder's pictures: megabytes each time
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
                if self.numbered:  # it keeps its number: a frame is lost, and counted
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
        try:
            container = open_container(self.path)
        except SourceError:
            raise FrameError("video file is gone") from None
        stream: Any = container.streams[self.stream]
        stream.thread_type = "AUTO"
        return container

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._container = self._frames = self._waiting = self._last = None
        self._next, self._overshot = 0, True
        _watch_forks().add(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset()


@functools.cache
def _watch_forks() -> weakref.WeakSet[Track]:
    """All tracks of this process. After a fork the child forgets what was open: FFmpeg's threads stayed behind, and
    the position in the file is the parent's. It is not freed either, for freeing waits for these threads; nor is what
    the parent had dropped and not collected yet, pictures and their scalers among it: until the child has put that
    aside, nothing is collected, for the hooks of other modules come first.
    """
    tracks: weakref.WeakSet[Track] = weakref.WeakSet()
    left_behind: list[Any] = []
    forking = threading.Lock()  # one thread at a time
    collects = True

    def hold() -> None:
        nonlocal collects
        forking.acquire()
        collects = gc.isenabled()
        gc.disable()

    def go_on() -> None:
        if collects:
            gc.enable()
        forking.release()

    def forget() -> None:
        gc.freeze()
        for track in list(tracks):
            left_behind.append((track._container, track._frames, track._waiting, track._last))
            track._reset()
        go_on()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=hold, after_in_parent=go_on, after_in_child=forget)
    return tracks
