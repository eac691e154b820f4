"""`streamseg ros` on topics that another process publishes: through DDS, on this machine alone."""

from __future__ import annotations

import array
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from streamseg.cli.main import group
from streamseg.errors import SourceError

from .conftest import ROOT, read_labels

FEW = ("--size", "96", "--clustering", "per-frame", "--k", "4")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Nobody else's topics."""
    pytest.importorskip("rclpy", reason="rclpy is not installed: make test-ros")
    found = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": str(os.getpid() % 90 + 10)}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def camera(world: dict[str, str]) -> Iterator[Camera]:
    one = Camera()
    yield one
    one.close()


class Camera:
    """Publishes the sample's frames and keeps what comes back."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        self._context = rclpy.context.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("camera", context=self._context)
        self._spinning = SingleThreadedExecutor(context=self._context)
        self._spinning.add_node(self._node)
        self.image, self.compressed, self.info = Image, CompressedImage, CameraInfo
        self._out: dict[str, Any] = {}
        self.came: dict[str, list[Any]] = {}

    def listen(self, *topics: str) -> None:
        for topic in topics:
            self.came[topic] = []
            self._node.create_subscription(self.image, topic, self.came[topic].append, 50)

    def send(self, topic: str, message: Any) -> None:
        if topic not in self._out:
            self._out[topic] = self._node.create_publisher(type(message), topic, 50)
        self._out[topic].publish(message)

    def spin(self, until: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            self._spinning.spin_once(timeout_sec=0.02)
        return until()

    def stamped(self, message: Any, nanoseconds: int) -> Any:
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
        message.header.frame_id = "camera_color_optical_frame"
        return message

    def picture(self, values: np.ndarray, encoding: str) -> Any:
        data = array.array("B", np.ascontiguousarray(values).tobytes())
        height, width = values.shape[:2]
        return self.image(height=height, width=width, encoding=encoding, step=len(data) // height, data=data)

    def heard(self, topic: str) -> bool:
        return bool(self._out[topic].get_subscription_count() > 0)

    def arrived(self, *topics: str) -> None:
        from rclpy.duration import Duration

        assert all(self._out[topic].wait_for_all_acked(Duration(seconds=30)) for topic in topics)

    @property
    def topics(self) -> list[str]:
        return list(self._out)

    def close(self) -> None:
        self._spinning.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()


def moments(sample: Path, count: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Stamp [ns], RGB and stored depth."""
    found = []
    for colour, depth in list(zip(sorted((sample / "rgb").iterdir()), sorted((sample / "depth").iterdir())))[:count]:
        rgb = cv2.cvtColor(cv2.imread(str(colour)), cv2.COLOR_BGR2RGB)
        found.append((int(colour.stem.replace(".", "")) * 1000, rgb, cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)))
    return found


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def test_masks_are_those_of_the_recording(
    camera: Camera, sample: Path, environment: dict[str, str], run_json: Callable[..., Any], tmp_path: Path
) -> None:
    """Colour, depth in metres and CameraInfo go in, each frame when the masks of the last one have come out."""
    wanted = run_json(sample, tmp_path / "run", *FEW, "--max-frames", 3, "--save", "labels")
    labels = read_labels(tmp_path / "run")
    command = [sys.executable, "-m", "streamseg", "ros", *FEW, "--no-objects", "--depth-topic", "/cam/depth", "--json"]
    command += ["--ros-args", "-r", "image:=/cam/color/image_raw", "-r", "__node:=masks"]
    process = subprocess.Popen(
        command, env=environment | dict(os.environ), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        camera.listen("/masks/regions", "/masks/overlay")
        regions = camera.came["/masks/regions"]
        for number, (stamp, rgb, depth) in enumerate(moments(sample, 3)):
            metres = depth * np.float32(1 / 5000)

            def publish(stamp: int = stamp, rgb: np.ndarray = rgb, metres: np.ndarray = metres) -> None:
                info = camera.info(height=480, width=640, k=[525.0, 0, 319.5, 0, 525.0, 239.5, 0, 0, 1])
                camera.send("/cam/color/camera_info", camera.stamped(info, stamp))
                camera.send("/cam/depth", camera.stamped(camera.picture(metres, "32FC1"), stamp + 4_000_000))
                camera.arrived("/cam/color/camera_info", "/cam/depth")  # an image waits for half a second only
                camera.send("/cam/color/image_raw", camera.stamped(camera.picture(rgb, "rgb8"), stamp))

            if number == 0:  # until everybody has found everybody
                publish()
                assert camera.spin(lambda: all(map(camera.heard, camera.topics)), 60)
            publish()
            assert camera.spin(lambda s=stamp: s in map(stamp_of, regions), 60), process.poll()
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, told
    result = json.loads(said)
    assert (result["frames"], result["dropped"], result["without_depth"]) == (3, 0, {})
    by_stamp = {stamp_of(one): one for one in regions}
    assert sorted(by_stamp) == [stamp for stamp, _, _ in moments(sample, 3)]
    for message, expected in zip((by_stamp[stamp] for stamp in sorted(by_stamp)), labels, strict=True):
        assert (message.encoding, message.header.frame_id) == ("mono8", "camera_color_optical_frame")
        assert np.array_equal(np.frombuffer(message.data, np.uint8).reshape(480, 640), expected)
    assert result["intrinsics"] == wanted["intrinsics"]
    assert "topics: colour /cam/color/image_raw, depth /cam/depth" in told
    assert "assumed to be registered" not in told
    assert {one.encoding for one in camera.came["/masks/overlay"]} == {"rgb8"}


def test_parameters_are_flags_and_compressed_images_are_read(camera: Camera, sample: Path) -> None:
    (_, rgb, _), *_ = moments(sample, 1)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    camera.listen("/streamseg/objects", "/streamseg/regions")
    stamps = iter(range(10**9, 10**12, 10**8))

    def publish() -> None:
        message = camera.compressed(format="jpeg", data=array.array("B", jpeg.tobytes()))
        camera.send("/image/compressed", camera.stamped(message, next(stamps)))

    timer = camera._node.create_timer(0.1, publish)
    spinning = threading.Thread(target=camera.spin, args=(lambda: bool(timer.is_canceled()), 60))
    spinning.start()
    flags = ["ros", "--image-topic", "image/compressed", "--max-frames", "10", "--json", "--quiet", "--size", "512"]
    parameters = ["--ros-args", "-p", "size:=96", "-p", "k:=3", "-p", "encoding:=mono16", "-p", "max_latency:=60000"]
    done = CliRunner().invoke(group, [*flags, *parameters], catch_exceptions=False)
    timer.cancel()
    spinning.join()
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["frames"], result["model"]["size"], result["settings"]["clustering"]["k"]) == (10, [96, 128], 3)
    assert (result["settings"]["run"]["max_latency"], result["late"]) == (60000, 0)
    for topic, values in (("/streamseg/objects", range(255)), ("/streamseg/regions", (1, 2, 3))):
        assert camera.came[topic], topic
        for message in camera.came[topic]:
            assert (message.encoding, message.step) == ("mono16", 2 * 640)
            assert np.isin(np.frombuffer(message.data, "<u2"), values).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-p", "size:=3"), "'3' is not a size"),
        (("-p", "encoding:=rgb8"), "'rgb8' is not one of"),
        (("-r", "no rule"), "ROS does not start"),
    ],
)
def test_what_ros_is_told_wrongly_is_explained(world: object, arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(group, ["ros", "--ros-args", *arguments])
    assert said in f"{done.output} {done.exception}"
    assert isinstance(done.exception, SystemExit | SourceError)
