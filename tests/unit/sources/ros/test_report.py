"""The description of a bag in `streamseg info`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from streamseg.cli.info import info
from tests.unit.sources.bags import Writer, write_tum_like


@pytest.mark.parametrize("container", ["bag", "folder"])
def test_info_lists_topics_and_what_a_run_reads(container: str, tmp_path: Path, make: Any) -> None:
    frames = [(100 + i / 30, make.texture(i), np.full(make.size, 1, np.float32)) for i in range(3)]
    path = write_tum_like(tmp_path / ("r.bag" if container == "bag" else "r"), frames, container)
    said = CliRunner().invoke(info, [str(path), "--json"], catch_exceptions=False)
    report = json.loads(said.stdout)
    assert (report["kind"], report["runs"]) == ("ROS bag", True)
    assert (report["colour"], report["depth"]) == ("/camera/rgb/image_color", "/camera/depth/image")
    topics = {topic["topic"]: topic for topic in report["topics"]}
    assert topics["/camera/depth/image"] == {
        "topic": "/camera/depth/image", "type": "sensor_msgs/msg/Image", "messages": 3, "encoding": "32FC1",
        "size": [64, 48],
    }  # fmt: skip
    text = CliRunner().invoke(info, [str(path)], catch_exceptions=False).stdout
    assert "/camera/rgb/camera_info  3 x sensor_msgs/msg/CameraInfo" in text


def test_a_bag_without_pictures_does_not_run(tmp_path: Path) -> None:
    out = Writer(tmp_path / "r.bag")
    out.info("/camera_info", 10**9, (4, 6), (1.0, 1.0, 3.0, 2.0))
    report = json.loads(CliRunner().invoke(info, [str(out.close()), "--json"]).stdout)
    assert not report["runs"]
    assert "image topics: none" in report["problem"]
