"""Files with several video tracks, or with none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from streamseg.errors import SourceError
from streamseg.sources import open_source


def test_a_second_picture_track_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        streams = [container.add_stream("mpeg4", 25, width=32, height=32, pix_fmt="yuv420p") for _ in range(2)]
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8))
            container.mux([*stream.encode(frame), *stream.encode()])
    source = open_source(str(tmp_path / "two.mkv"))
    assert any("1 more picture track" in note for note in source.notes)


def test_a_song_with_a_cover_is_no_video(tmp_path: Path, make: Any) -> None:
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        stream: Any = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.disposition = Disposition.attached_pic
        cover = av.VideoFrame.from_ndarray(make.barcode(1), format="rgb24").reformat(format="yuvj420p")
        container.mux([*stream.encode(cover), *stream.encode()])
    with pytest.raises(SourceError, match="no picture track"):
        open_source(str(tmp_path / "song.m4a"))
