"""Camera (its number: 0, 1, ...) or network stream (rtsp://, http://), live

OpenCV reads the pictures. If a picture does not arrive, the stream is opened again, at most five times in a row and at
growing intervals. `skipped` gets an entry for each loss, and the iteration ends after the last attempt. `camera:FILE`
plays a video file once, at its own frame rate, as a camera would.
"""

from __future__ import annotations

import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.sources import LiveSource, Options, Skip
from streamseg.urls import is_stream

PRIORITY = 0
LIVE = True
OPEN_MS, READ_MS = 10_000, 5_000  # timeouts of a network stream
RETRIES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds to wait before each attempt to open a lost stream again


def recognizes(uri: str) -> bool:
    return is_stream(uri) or ((uri.isdecimal() or uri.startswith("/dev/video")) and not os.path.isdir(uri))


def open(uri: str, options: Options) -> Camera:
    return Camera(uri, options)


class Camera(LiveSource):
    """The frames of a camera or stream. A timestamp is `time.monotonic()` when the frame arrives.

    lost: True if the iteration ended because all attempts to open the stream again failed.
    """

    kind = "camera"
    lost = False

    def __init__(self, uri: str, options: Options) -> None:
        self.uri = _without_password(uri)
        self._address, self._options = uri, options
        self._ended = threading.Event()
        self._lock = threading.Lock()  # OpenCV crashes when a capture is released while it reads
        self._capture = _capture(uri)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"cannot open {_describe(uri)}", _hint(uri))
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._is_file = os.path.isfile(uri) or self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        self.fps = float(fps) if 1 <= fps <= 1000 else 30.0
        height, width = (int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH))
        self.frame_size = (height, width) if height > 0 and width > 0 else None

    def __iter__(self) -> Iterator[Frame]:
        index = attempt = 0
        start = time.monotonic()
        while not self._ended.is_set():
            if self._is_file:
                self._ended.wait(max(0.0, start + index / self.fps - time.monotonic()))
            image = self._unless_ended(self._read)
            if image is None:
                if not self._reconnect(index, attempt):
                    break
                attempt += 1
                continue
            attempt = 0
            rgb = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)
            yield Frame(index, f"{index:05d}", time.monotonic(), rgb, intrinsics=self._options.intrinsics)
            index += 1
        self.close()

    def close(self) -> None:
        """End the iteration at once; any thread may call this. A thread that still reads or connects releases the
        stream when it is done."""
        self._ended.set()
        if self._lock.acquire(timeout=0.2):
            try:
                self._capture.release()
            finally:
                self._lock.release()

    def _unless_ended(self, function: Callable[[], Any]) -> Any:
        """Run `function` in a thread and return its result; return None as soon as the iteration ends, because OpenCV
        may wait for a network for seconds."""
        reply: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=lambda: reply.put(function()), name="camera", daemon=True).start()
        while not self._ended.is_set():
            try:
                return reply.get(timeout=0.1)
            except queue.Empty:
                pass
        return None

    def _read(self) -> Any:
        """Return the next picture as OpenCV reads it; None if it does not arrive or the iteration has ended."""
        with self._lock:
            if self._ended.is_set():
                return None
            try:
                good, image = self._capture.read()
            except cv2.error:
                return None
            finally:
                if self._ended.is_set():
                    self._capture.release()
            return image if good else None

    def _reconnect(self, index: int, attempt: int) -> bool:
        """Open the stream again, because frame `index` did not arrive. Return False if this was the end of a file, or
        all attempts are used. attempt: number of attempts since the last frame."""
        if self._is_file or attempt == len(RETRIES):
            self.lost = not self._is_file and not self._ended.is_set()
            return False
        if attempt == 0 and not self._ended.is_set():
            self.skipped += (Skip(f"{index:05d}", "lost the camera's signal"),)
        if self._ended.wait(RETRIES[attempt]):
            return False
        self._unless_ended(self._reopen)
        return True

    def _reopen(self) -> None:
        with self._lock:
            self._capture.release()
            if not self._ended.is_set():
                self._capture = _capture(self._address)
            if self._ended.is_set():
                self._capture.release()


def _capture(uri: str) -> Any:
    """Return an OpenCV capture, which may have failed to open. OpenCV's own messages are kept off the terminal."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        if uri.isdecimal():
            return cv2.VideoCapture(int(uri))
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
        return cv2.VideoCapture(uri, cv2.CAP_FFMPEG, limits) if is_stream(uri) else cv2.VideoCapture(uri)
    except cv2.error:
        return cv2.VideoCapture()
    finally:
        cv2.utils.logging.setLogLevel(before)


def _describe(uri: str) -> str:
    return f"camera {uri}" if uri.isdecimal() else repr(_without_password(uri))


def _without_password(uri: str) -> str:
    """Return the address without its password, to be shown and stored in run.json."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", uri)


def _hint(uri: str) -> str:
    if uri.isdecimal():
        return "check that it is connected and not in use; other cameras are 1, 2, ...; a folder called so is ./" + uri
    if is_stream(uri):
        return f"check the address, the password and the network ({OPEN_MS // 1000} s were waited for an answer)"
    return "give a camera's number or an rtsp:// address"
