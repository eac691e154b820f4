"""Packets of a video: missing frames are counted, and stamps and frame rates are checked against the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamseg.errors import FrameError, SourceError
from streamseg.sources import open_source
from streamseg.sources.reading.video.packets import Packets, missing_after, rate_of

COUNT = 60
NAMES = ["a.avi", "b.avi", "a.mkv", "a.mp4"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, make: Any) -> Path:
    """Write a video of COUNT frames in a container whose header has the number of frames or the duration."""
    folder = tmp_path_factory.mktemp("videos")
    coding = {
        "a.avi": ("mpeg4", {}),
        "b.avi": ("libx264", {"bf": "3"}),
        "a.mkv": ("libx264", {}),
        "a.mp4": ("libx264", {}),
    }
    for name, (codec, options) in coding.items():
        make.video(folder / name, COUNT, codec=codec, options={"movflags": "faststart"}, **options)
    return folder


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), share=st.floats(0.3, 1))
def test_every_frame_of_a_truncated_video_is_used_or_counted(
    name: str, share: float, whole: Path, tmp_path: Path, make: Any
) -> None:
    path = tmp_path / name
    data = (whole / name).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    try:
        video = open_source(str(path))
    except SourceError:
        return  # no frame is left, and the error says so
    read = []
    for index in range(len(video)):
        try:
            read.append(make.read_barcode(video[index].rgb))
        except FrameError:
            continue
    assert read[:-4] == sorted(set(read[:-4]))  # at the end, the decoder may repeat the previous picture
    if len(video) < 8 and not video.skipped:
        return  # too few to see whether they are regular
    # at the end, at most a group of B frames is missing without being counted
    assert COUNT - 3 <= len(video) + len(video.skipped) <= COUNT + 1


def test_an_empty_packet_shows_the_picture_before_it_again(make: Any) -> None:
    """still.ogv: frame i shows i // 6; Theora writes repeated pictures as empty packets. Made by FFmpeg 5.1 from the
    barcodes: -framerate 25 -i %04d.png -c:v libtheora -q:v 5."""
    video = open_source(str(Path(__file__).with_name("still.ogv")))
    order = [24, 3, *range(25)]
    assert [make.read_barcode(video[index].rgb) for index in order] == [index // 6 for index in order]


@pytest.mark.parametrize("name", ["half.mjpeg", "half.avi"])
def test_half_a_motion_jpeg_picture_is_none(name: str, tmp_path: Path, make: Any) -> None:
    path = tmp_path / name
    make.video(path, 6, codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data) - 2) if data[at : at + 3] == b"\xff\xd8\xff"]
    end = data.index(b"\xff\xd9", starts[3])
    data[end - 40 : end + 2] = bytes(42)  # zeros, as in a file that was written to a full disk
    path.write_bytes(data)
    video = open_source(str(path))
    with pytest.raises(FrameError, match="truncated video frame"):
        video[3]
    assert [make.read_barcode(video[index].rgb) for index in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


@given(steps=st.lists(st.sampled_from([1, 1, 1, 7]), min_size=4, max_size=30), seconds=st.floats(0, 10))
def test_only_regular_videos_are_called_truncated(steps: list[int], seconds: float) -> None:
    stamps = np.cumsum([0, *steps]).tolist()
    lost = missing_after(Packets(seconds=seconds), stamps, 1 / 25, 25.0)
    if lost:
        assert np.mean(np.array(steps[:-4]) == 1) >= 0.9
        assert lost == round(seconds * 25 - stamps[-1] - 1)


def test_the_rate_is_that_of_the_stamps_where_none_is_written() -> None:
    assert rate_of(1000.0, [0, 40, 78, 121, 160], 1e-3) == pytest.approx(25, rel=0.05)
    assert rate_of(30.0, [0, 33, 67, 100], 1e-3) == 30.0
