"""RealSense camera, live: realsense: or realsense:SERIAL; colour, and depth aligned to it by the camera's calibration

Needs pyrealsense2: pip install 'streamseg[realsense]'. Older frames that wait are dropped. If no frame arrives for
some seconds, the camera is opened again, at most five times and at growing intervals, as in `camera`.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from streamseg.errors import SourceError
from streamseg.frame import Frame, Intrinsics
from streamseg.sources import DepthScale, LiveSource, Options, Skip
from streamseg.sources.camera import RETRIES
from streamseg.sources.reading.depth import check_first_frame

PRIORITY = 90
LIVE = True
SIZE, RATE = (640, 480), 30  # (width, height) and frames/s that every RealSense camera has for both streams
TIMEOUT_MS = 3000  # without a frame for so long, the camera is opened again


def recognizes(uri: str) -> bool:
    return False  # a camera has no path: the user types realsense:


def open(uri: str, options: Options) -> RealSense:
    return RealSense(uri, options, functools.partial(connected, uri))


def connected(serial: str) -> Any:
    """Return the camera with a serial number, or the first one for "". Raises SourceError if pyrealsense2 is missing or
    no such camera is connected."""
    rs = library()
    devices = {device.get_info(rs.camera_info.serial_number): device for device in rs.context().query_devices()}
    if not devices:
        raise SourceError(
            "no RealSense camera is connected", "plug it into a USB 3 port; on Linux see librealsense's udev rules"
        )
    if serial and serial not in devices:
        known = ", ".join(devices)
        raise SourceError(f"no RealSense camera has the number {serial!r}", f"realsense:SERIAL, of: {known}")
    return devices[serial] if serial else next(iter(devices.values()))


def library() -> Any:
    """Import pyrealsense2. Raises SourceError if it is not installed."""
    try:
        import pyrealsense2
    except ImportError:
        raise SourceError(
            "RealSense cameras need pyrealsense2, which is not installed", "pip install 'streamseg[realsense]'"
        ) from None
    return pyrealsense2


class RealSense(LiveSource):
    """The frames of a camera. A timestamp is `time.monotonic()` when the frame arrives.

    find: returns the camera; called whenever the camera is opened. lost: True if the iteration ended because all
    attempts to open the camera again failed. Iterating raises SourceError if a given depth scale puts the readings of
    the first frame at an implausible distance.
    """

    kind = "realsense"
    lost = False

    def __init__(self, uri: str, options: Options, find: Callable[[], Any]) -> None:
        self.uri, self._options, self._find = f"realsense:{uri}", options, find
        self._ended = threading.Event()
        self._sensors: list[Any] = []
        self._syncer: Any = None
        self._scale_checked = options.depth_scale is None  # the camera's own scale needs no check
        self._align = library().align(library().stream.color)
        self._open()
        self.fps = float(RATE)

    def _open(self) -> None:
        """Start the colour and depth streams. Raises SourceError."""
        rs = library()
        device = self._find()
        syncer = rs.syncer(1)
        wanted = {rs.stream.depth: rs.format.z16, rs.stream.color: rs.format.rgb8}
        started: list[Any] = []
        try:
            for sensor in device.query_sensors():
                profile = _profile(sensor, wanted)
                if profile is None:
                    continue
                sensor.open(profile)
                started.append(sensor)
                sensor.start(syncer)
                if profile.stream_type() == rs.stream.color:
                    video = profile.as_video_stream_profile()
                    self.frame_size = (video.height(), video.width())
        except RuntimeError as problem:
            _stop(started)
            raise SourceError(
                f"the RealSense camera cannot be started: {problem}", "is another program using it?"
            ) from None
        if self.frame_size is None:
            _stop(started)
            raise SourceError("this RealSense camera offers no RGB stream", "use a camera with colour, such as a D435")
        self._sensors, self._syncer = started, syncer

    def __iter__(self) -> Iterator[Frame]:
        index = attempt = 0
        while not self._ended.is_set():
            pair = self._next_pair()
            if pair is None:
                if self._ended.is_set() or not self._reconnect(index, attempt):
                    break
                attempt += 1
                continue
            attempt = 0
            yield self._frame(index, *pair)
            index += 1
        self.close()

    def _next_pair(self) -> tuple[Any, Any] | None:
        """Return the newest colour frame and its depth frame, aligned to it; None if none arrives for TIMEOUT_MS."""
        end = time.monotonic() + TIMEOUT_MS / 1000
        while time.monotonic() < end and not self._ended.is_set():
            good, frames = self._syncer.try_wait_for_frames(100)
            newer = self._syncer.poll_for_frames() if good else None
            while newer and newer.size():  # drop all but the last of the frames that wait
                frames, newer = newer, self._syncer.poll_for_frames()
            if good and frames.get_color_frame() and frames.get_depth_frame():
                aligned = self._align.process(frames)
                return aligned.get_color_frame(), aligned.get_depth_frame()
        return None

    def _frame(self, index: int, colour: Any, depth: Any) -> Frame:
        camera = colour.get_profile().as_video_stream_profile().get_intrinsics()
        scale = DepthScale.choose(self._options, 1 / depth.get_units(), "the camera's own")
        self.depth_scale, self.depth_scale_origin, _ = scale
        metres = np.asanyarray(depth.get_data()).astype(np.float32) * np.float32(1 / scale.units_per_metre)
        self._scale_checked = self._scale_checked or check_first_frame(self.uri, metres, scale)
        return Frame(
            index,
            f"{index:05d}",
            time.monotonic(),
            np.array(colour.get_data()),
            self._options.intrinsics or Intrinsics(camera.fx, camera.fy, camera.ppx, camera.ppy),
            self._options.aligned(functools.partial(np.array, metres)),
        )

    def _reconnect(self, index: int, attempt: int) -> bool:
        """Open the camera again, because frame `index` did not arrive. Return False if all attempts are used. attempt:
        number of attempts since the last frame."""
        if attempt == len(RETRIES):
            self.lost = True
            return False
        if attempt == 0:
            self.skipped += (Skip(f"{index:05d}", "lost the camera's signal"),)
        if self._ended.wait(RETRIES[attempt]):
            return False
        _stop(self._sensors)
        self._sensors = []
        with suppress(SourceError):  # then no frame arrives, and the next attempt follows
            self._open()
        return True

    def close(self) -> None:
        """End the iteration, from any thread."""
        self._ended.set()
        sensors, self._sensors = self._sensors, []
        _stop(sensors)


def _profile(sensor: Any, wanted: dict[Any, Any]) -> Any:
    """Return the stream profile of a sensor to read, preferably of SIZE at RATE; None if it has no wanted stream.

    wanted: the format of each stream type to read.
    """
    profiles = [
        profile for profile in sensor.get_stream_profiles() if wanted.get(profile.stream_type()) == profile.format()
    ]

    def preference(profile: Any) -> tuple[bool, bool]:
        video = profile.as_video_stream_profile()
        return (video.width(), video.height()) == SIZE, profile.fps() == RATE

    return max(profiles, key=preference, default=None)


def _stop(sensors: list[Any]) -> None:
    for sensor in sensors:
        for step in (sensor.stop, sensor.close):
            try:
                step()
            except RuntimeError:  # unplugged, or not running
                continue
