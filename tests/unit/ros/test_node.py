"""Without ROS, the command reports what is missing."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from streamseg.cli.ros import ros
from streamseg.errors import SourceError


def test_without_rclpy_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    with pytest.raises(SourceError, match="needs ROS 2") as caught:
        CliRunner().invoke(ros, ["--size", "96", "--ros-args", "-p", "k:=3"], catch_exceptions=False)
    assert "docs/ros.md" in caught.value.hint


def test_flags_are_checked_before_ros_is_imported() -> None:
    done = CliRunner().invoke(ros, ["--size", "3"])
    assert done.exit_code == 2
    assert "not a size" in done.output
