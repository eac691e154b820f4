"""Latency of `streamseg ros`: build/ros/bin/python tests/benchmarks/ros_latency.py [FLAG ...]

The sample clip is published in a loop through DDS on this machine: 640x480 with depth, 15 images a second. FLAGs go to
the node. The script prints the number of masks and of images, and the time from publication to arrival. `make test-ros`
makes that environment.
"""

from __future__ import annotations

import array
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

os.environ |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": "83", "OMP_NUM_THREADS": "1"}
SAMPLE = Path(__file__).parents[2] / "samples/tabletop"
RATE, WARM, SECONDS = 15, 20, 20


def message(kind: Any, pixels: np.ndarray, encoding: str) -> Any:
    data = array.array("B", np.ascontiguousarray(pixels).tobytes())
    return kind(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, step=len(data) // 480, data=data)


def main() -> None:
    import rclpy
    from sensor_msgs.msg import Image

    flags = sys.argv[1:]
    rclpy.init()
    node = rclpy.create_node("camera")
    colour, depth = (node.create_publisher(Image, name, 5) for name in ("image", "depth"))
    sent: dict[int, float] = {}
    took: list[float] = []

    def arrived(mask: Any) -> None:
        took.append(time.monotonic() - sent[mask.header.stamp.sec])

    masks = "regions" if "--no-objects" in flags else "objects"
    node.create_subscription(Image, f"/streamseg/{masks}", arrived, 5)
    pairs = [
        (message(Image, cv2.cvtColor(cv2.imread(str(rgb)), cv2.COLOR_BGR2RGB), "rgb8"),
         message(Image, cv2.imread(str(metres), cv2.IMREAD_UNCHANGED) // 5, "16UC1"))
        for rgb, metres in zip(sorted((SAMPLE / "rgb").iterdir()), sorted((SAMPLE / "depth").iterdir()))
    ]  # fmt: skip
    served = subprocess.Popen([sys.executable, "-m", "streamseg", "ros", "--quiet", *flags])
    numbers, end = itertools.count(1), float("inf")
    try:
        while time.monotonic() < end and served.poll() is None:
            number = next(numbers)
            if (
                end == float("inf") and len(took) >= WARM
            ):  # networks are built, and what is learnt at the start is learnt
                took.clear()
                end, first = time.monotonic() + SECONDS, number
            for publisher, one in zip((depth, colour), reversed(pairs[number % len(pairs)])):
                one.header.stamp.sec = number
                sent[number] = time.monotonic()
                publisher.publish(one)
            until = time.monotonic() + 1 / RATE
            while (rest := until - time.monotonic()) > 0:
                rclpy.spin_once(node, timeout_sec=rest)
        p50, p95 = (float(np.percentile(took, q)) * 1000 for q in (50, 95))
        print(f"{len(took)} masks of {number - first} images; p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    finally:
        served.terminate()
        served.wait()


if __name__ == "__main__":
    main()
