"""The output folder that a run gets if it is given none."""

from __future__ import annotations

import pytest

from streamseg.cli.run import _default_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("recordings/desk.mp4", "desk"),
        ("video:recordings/desk.mp4", "desk"),
        ("desk:2026.mp4", "desk:2026"),
        ("realsense:", "realsense"),
        ("bag:robot.bag#/camera/color", "robot"),
        ("index:co3d.index#hydrant/194_20925_42241", "194_20925_42241"),
        ("shards:shards#desk", "desk"),
        ("0", "0"),
        ("rtsp://user:secret@host/stream", "stream"),
    ],
)
def test_default_names(source: str, name: str) -> None:
    assert _default_name(source) == name
