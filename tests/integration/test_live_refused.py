"""Commands that need a recording refuse a camera or a stream before they open it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from .test_errors import Cli, assert_refused


@pytest.mark.parametrize(
    "command",
    [
        "train selftrain --data SOURCE -o OUT",
        "eval SOURCE",
        "eval SOURCE --masks OUT",
        "bench SOURCE --turns 1",
        "bench SOURCE --profile OUT/trace.json",
        "attention SOURCE --model dino_vits16 -o OUT",
        "export onnx efficientnet_lite0 --size 96x128 --precision int8 --calibrate SOURCE -o OUT/net.onnx",
    ],
)
def test_a_live_source_is_refused_before_it_is_opened_where_a_recording_is_needed(
    cli: Cli, command: str, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.ones((8, 8), np.uint8))
    words = command.replace("OUT", str(tmp_path)).replace("SOURCE", "rtsp://127.0.0.1:9/stream").split()
    assert_refused(cli(*words), "'rtsp://127.0.0.1:9/stream' is live", "record it first")
