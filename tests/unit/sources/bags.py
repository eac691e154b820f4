"""ROS bags for tests, written by rosbags: any topics, in every container."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CONTAINERS = ("bag", "folder", "db3", "mcap")
BILLION = 10**9


class Writer:
    """Writes messages by topic into a .bag, a ROS 2 folder, or a single .db3 or .mcap file."""

    def __init__(self, path: Path, container: str = "bag", compressed: bool = False) -> None:
        from rosbags.rosbag1 import Writer as Writer1
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
        from rosbags.rosbag2 import Writer as Writer2
        from rosbags.typesys import Stores, get_typestore

        self.ros1, self.container = container == "bag", container
        self.store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.ROS2_HUMBLE)
        self.path = path if container in ("bag", "folder") else path.with_suffix("." + container)
        self._folder = path if self.ros1 or container == "folder" else path.with_name(path.stem + "-folder")
        self._out: Any
        if self.ros1:
            self._out = Writer1(self._folder)
            if compressed:
                self._out.set_compression(Writer1.CompressionFormat.LZ4)
        else:
            plugin = StoragePlugin.MCAP if container == "mcap" else StoragePlugin.SQLITE3
            self._out = Writer2(self._folder, version=9, storage_plugin=plugin)
            if compressed:
                mode = CompressionMode.STORAGE if container == "mcap" else CompressionMode.MESSAGE
                self._out.set_compression(mode, CompressionFormat.ZSTD)
        self._out.open()
        self._connections: dict[str, Any] = {}
        self.behind: dict[str, bytes] = {}
        """Return the bytes that follow each message of a topic."""

    def type(self, name: str) -> Any:
        return self.store.types[name]

    def header(self, stamp: int, frame: str) -> Any:
        time = self.type("builtin_interfaces/msg/Time")(stamp // BILLION, stamp % BILLION)
        first = (0,) if self.ros1 else ()
        return self.type("std_msgs/msg/Header")(*first, time, frame)

    def write(self, topic: str, time: int, message: Any) -> None:
        name = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._out.add_connection(topic, name, typestore=self.store)
        raw = self.store.serialize_ros1(message, name) if self.ros1 else self.store.serialize_cdr(message, name)
        self._out.write(self._connections[topic], time, bytes(raw) + self.behind.get(topic, b""))

    def image(
        self, topic: str, stamp: int, values: np.ndarray, encoding: str, frame: str = "optical", **other: Any
    ) -> None:
        """Write an Image. other: time of reception, padding of each row, big (endian), height of all planes."""
        dtype = values.dtype.newbyteorder(">" if other.get("big") else "<")
        rows = values.astype(dtype).reshape(values.shape[0], -1).view(np.uint8)
        rows = np.pad(rows, ((0, 0), (0, other.get("padding", 0))), constant_values=77)
        message = self.type("sensor_msgs/msg/Image")(
            self.header(stamp, frame), other.get("height", values.shape[0]), values.shape[1], encoding,
            int(other.get("big", False)), rows.shape[1], rows.ravel(),
        )  # fmt: skip
        self.write(topic, other.get("time", stamp), message)

    def compressed(self, topic: str, stamp: int, data: bytes, form: str, frame: str = "optical") -> None:
        kind = self.type("sensor_msgs/msg/CompressedImage")
        self.write(topic, stamp, kind(self.header(stamp, frame), form, np.frombuffer(data, np.uint8)))

    def info(self, topic: str, stamp: int, size: tuple[int, int], k: tuple[float, ...], **other: Any) -> None:
        """Write a CameraInfo. size: (height, width). k: fx, fy, cx, cy. other: distortion, frame, p (as k)."""
        roi = self.type("sensor_msgs/msg/RegionOfInterest")(0, 0, 0, 0, False)
        matrix = np.array([k[0], 0, k[2], 0, k[1], k[3], 0, 0, 1.0])
        p = other.get("p", k)
        projection = np.array([p[0], 0, p[2], 0, 0, p[1], p[3], 0, 0, 0, 1.0, 0])
        header = self.header(stamp, other.get("frame", "optical"))
        message = self.type("sensor_msgs/msg/CameraInfo")(
            header, *size, "plumb_bob", np.array(other.get("distortion", (0.0,) * 5)), matrix, np.eye(3).ravel(),
            projection, 0, 0, roi,
        )  # fmt: skip
        self.write(topic, stamp, message)

    def static(self, stamp: int, parent: str, child: str, shift: tuple[float, float, float]) -> None:
        vector, turn = self.type("geometry_msgs/msg/Vector3"), self.type("geometry_msgs/msg/Quaternion")
        transform = self.type("geometry_msgs/msg/Transform")(vector(*shift), turn(0.0, 0.0, 0.0, 1.0))
        stamped = self.type("geometry_msgs/msg/TransformStamped")(self.header(stamp, parent), child, transform)
        self.write("/tf_static", stamp, self.type("tf2_msgs/msg/TFMessage")([stamped]))

    def close(self) -> Path:
        """Close the bag, and return its path."""
        self._out.close()
        if self._folder != self.path:
            inner = next(self._folder.glob(f"*.{self.container}"))
            shutil.move(inner, self.path)
            shutil.rmtree(self._folder)
        return self.path


def write_tum_like(path: Path, frames: list[tuple[float, np.ndarray, np.ndarray]], container: str = "bag") -> Path:
    """Write a bag with the topics of TUM's published bags. frames: stamp [s], (H, W, 3) RGB, (H, W) float32 metres, 0 =
    no reading. Depth is 0.01 s late."""
    out = Writer(path, container)
    size = frames[0][2].shape
    for seconds, rgb, metres in frames:
        stamp = round(seconds * 1e6) * 1000
        out.image("/camera/rgb/image_color", stamp, rgb, "rgb8", time=stamp + 5000)
        out.info("/camera/rgb/camera_info", stamp, size, (525.0, 524.0, size[1] / 2, size[0] / 2))
        none = np.where(metres > 0, metres, np.float32(np.nan)).astype(np.float32)
        out.image("/camera/depth/image", stamp + BILLION // 100, none, "32FC1")
    return out.close()


def compressed_depth(values: np.ndarray, floats: bool = False) -> bytes:
    """Return the body of a compressedDepth message as image_transport_plugins writes it, of uint16, or of float32
    metres with its default quantization (q = 100, z_max = 10)."""
    a = b = 0.0
    if floats:
        a, zmax = 100.0 * 101.0, 10.0
        b = 1.0 - a / zmax
        known = values > 0
        values = np.where(known, a / np.where(known, values, 1) + b, 0).astype(np.uint16)
    good, png = cv2.imencode(".png", values)
    assert good
    return struct.pack("<iff", 0, a, b) + png.tobytes()
