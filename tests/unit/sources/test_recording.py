"""Where only a recording will do, a camera is not even opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.config import SourceConfig
from streamseg.errors import SourceError
from streamseg.sources.recording import open_recording

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "tabletop"


@pytest.mark.parametrize("uri", [0, "0", "camera:0", "/dev/video7", "realsense:", "rtsp://user:secret@127.0.0.1:9/a"])
def test_a_live_source_is_refused_before_it_is_opened(uri: str | int) -> None:
    """None of these could be opened here, and that would be another error."""
    with pytest.raises(SourceError, match=r"' is live, and cannot be read twice$") as refused:
        open_recording(uri, why="is live, and cannot be read twice")
    assert "secret" not in refused.value.message
    assert refused.value.hint.startswith("record it first")


def test_a_recording_opens_with_its_options() -> None:
    with open_recording(SAMPLE, SourceConfig(depth_scale=2000), why="is live") as source:
        assert len(source) > 1
        assert source.depth_scale == 2000
