"""RealSense recordings for tests: a .db3 that librealsense writes for its software device, and a .bag in the layout of
older versions."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.unit.sources.bags import BILLION, Writer

Moments = list[tuple[np.ndarray, np.ndarray]]
"""(H, W, 3) uint8 RGB and (H, W) uint16 millimetres."""


def video(rs: Any, kind: Any, number: int, form: Any, pixel: int, size: tuple[int, int], focal: float) -> Any:
    """Return a stream of `size` (H, W) with `pixel` bytes per pixel and the principal point in the middle."""
    inner = rs.intrinsics()
    inner.height, inner.width = size
    inner.fx, inner.fy, inner.ppx, inner.ppy = focal, focal, (size[1] - 1) / 2, (size[0] - 1) / 2
    inner.model, inner.coeffs = rs.distortion.brown_conrady, [0.0] * 5
    stream = rs.video_stream()
    stream.type, stream.index, stream.uid, stream.fmt, stream.bpp = kind, 0, number, form, pixel
    stream.height, stream.width, stream.fps, stream.intrinsics = *size, 30, inner
    return stream


class SoftCamera:
    """A software device of librealsense. device: as `rs.context` returns it."""

    def __init__(self, size: tuple[int, int], focal: tuple[float, float], shift: float) -> None:
        """focal: focal lengths of depth and colour. shift: from depth to colour along x [m]."""
        import pyrealsense2 as rs

        self._rs, self.device, self.number = rs, rs.software_device(), 0
        self.device.register_info(rs.camera_info.serial_number, "123")
        self._sensors = self.device.add_sensor("Stereo Module"), self.device.add_sensor("RGB Camera")
        self._profiles = (
            self._sensors[0].add_video_stream(video(rs, rs.stream.depth, 1, rs.format.z16, 2, size, focal[0])),
            self._sensors[1].add_video_stream(video(rs, rs.stream.color, 2, rs.format.rgb8, 3, size, focal[1])),
        )
        self._sensors[0].add_read_only_option(rs.option.depth_units, 0.001)
        moved = rs.extrinsics()
        moved.rotation, moved.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [shift, 0, 0]
        self._profiles[0].register_extrinsics_to(self._profiles[1], moved)
        self.device.create_matcher(rs.matchers.default)

    def send(self, rgb: np.ndarray, depth: np.ndarray) -> None:
        """Send a colour and a depth frame."""
        self.number += 1
        for sensor, profile, pixels in zip(self._sensors, self._profiles, (depth, rgb)):
            frame, size = self._rs.software_video_frame(), 2 if pixels.ndim == 2 else 3
            frame.pixels, frame.stride, frame.bpp = np.ascontiguousarray(pixels), pixels.shape[1] * size, size
            frame.frame_number, frame.timestamp = self.number, 1000 + 33 * self.number
            frame.domain, frame.profile = self._rs.timestamp_domain.hardware_clock, profile.as_video_stream_profile()
            if size == 2:
                frame.depth_units = 0.001
            sensor.on_video_frame(frame)


def record_db3(path: Path, moments: Moments) -> Path:
    """Record a camera whose depth is registered to its colour, with librealsense."""
    import pyrealsense2 as rs

    size = moments[0][1].shape
    camera = SoftCamera((size[0], size[1]), (100.0, 100.0), 0.0)
    recorder = rs.recorder(str(path), camera.device)
    came, enough = [0, 0], threading.Event()

    def count(which: int) -> Any:
        def counted(_frame: Any) -> None:
            came[which] += 1
            if min(came) == len(moments):
                enough.set()

        return counted

    sensors = recorder.query_sensors()
    for number, sensor in enumerate(sensors):
        sensor.open(sensor.get_stream_profiles()[0])
        sensor.start(count(number))
    for rgb, depth in moments:
        camera.send(rgb, depth)
        time.sleep(0.03)  # the recorder's queue drops frames that follow at once
    assert enough.wait(10), came
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    del recorder, sensors  # closes the file
    return path


def write_bag(path: Path, moments: Moments, focal: tuple[float, float] = (100.0, 100.0), shift: float = 0.0) -> Path:
    """Write a .bag as librealsense 2.55 does: after each image four bytes with the unit of depth; a tick is 33 ms.

    focal: of depth and of colour. shift: metres from depth to colour along x.
    """
    out = Writer(path)
    size = moments[0][1].shape
    for number, kind in enumerate(("Depth", "Color")):
        stream = f"/device_0/sensor_{number}/{kind}_0"
        middle = (size[1] - 1) / 2, (size[0] - 1) / 2
        out.info(f"{stream}/info/camera_info", 1, (size[0], size[1]), (focal[number], focal[number], *middle))
        vector, turn = out.type("geometry_msgs/msg/Vector3"), out.type("geometry_msgs/msg/Quaternion")
        transform = out.type("geometry_msgs/msg/Transform")(vector(number * shift, 0.0, 0.0), turn(0.0, 0.0, 0.0, -1.0))
        out.write(f"{stream}/tf/1", 1, transform)
    out.write("/device_0/sensor_0/option/Depth_Units/value", 1, out.type("std_msgs/msg/Float32")(0.001))
    out.behind["/device_0/sensor_0/Depth_0/image/data"] = struct.pack("<f", 0.001)
    out.behind["/device_0/sensor_1/Color_0/image/data"] = bytes(4)
    for i, (rgb, depth) in enumerate(moments):
        stamp = BILLION + 33_000_000 * (i + 1)
        out.image("/device_0/sensor_0/Depth_0/image/data", stamp, depth, "mono16", "1")
        out.image("/device_0/sensor_1/Color_0/image/data", stamp, rgb, "rgb8", "1")
    return out.close()
