"""Video files: every frame by its number, in every container."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamseg.errors import FrameError, SourceError
from streamseg.sources import Skip, open_source, video

FORMS = {
    "h264.mp4": {"codec": "libx264"},
    "h264.mkv": {"codec": "libx264"},
    "open_gop.mp4": {"codec": "libx264", "x264-params": "open-gop=1:bframes=3"},
    "raw.h264": {"codec": "libx264", "bf": "0"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "h264.avi": {"codec": "libx264", "bf": "3"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "transport.ts": {"codec": "libx264"},
    "ten_bit.mp4": {"codec": "libx264", "pix_fmt": "yuv420p10le"},
}


@pytest.fixture(params=FORMS)
def clip(request: pytest.FixtureRequest, tmp_path: Path, make: Any) -> Path:
    path = tmp_path / request.param
    make.video(path, 30, **FORMS[request.param])
    return path


def test_len_and_content_in_order(clip: Path, make: Any) -> None:
    source = open_source(str(clip))
    assert source.kind == "video"
    assert len(source) == 30
    assert source.fps == pytest.approx(25)
    for i in range(30):
        frame = source[i]
        assert make.read_barcode(frame.rgb) == i
        assert frame.name == f"{i:05d}"
        assert frame.timestamp - source[0].timestamp == pytest.approx(i / 25, abs=0.002)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.lists(st.integers(0, 29), min_size=1, max_size=12))
def test_any_order_gives_the_frame_asked_for(clip: Path, make: Any, order: list[int]) -> None:
    with open_source(str(clip)) as source:
        assert [make.read_barcode(source[i].rgb) for i in order] == order


def test_reading_in_order_never_seeks(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make.video(tmp_path / "a.mp4", 60)
    source = open_source(str(tmp_path / "a.mp4"))
    opened = []
    monkeypatch.setattr(type(source._track), "_start_at", _counting(type(source._track)._start_at, opened))
    for i in range(60):
        source[i]
    assert opened == [0]
    for i in range(0, 60, 4):
        source[i]
    assert opened == [0, 0]


def _counting(function: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    def counted(self: Any, key: int) -> None:
        calls.append(key)
        function(self, key)

    return counted


def test_colours_agree_with_opencv(shared: Path) -> None:
    path = str(shared / "data/videos/kitten.mp4")
    source, other = open_source(path), cv2.VideoCapture(path)
    for i in range(20):
        good, bgr = other.read()
        assert good
        difference = np.abs(source[i].rgb.astype(int) - bgr[..., ::-1])
        assert difference.mean() < 1.0


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.ts", "a.mp4"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_truncated_file_gives_what_is_left(
    name: str, share: float, tmp_path: Path, make: Any, cut: Callable[[Path, float], None]
) -> None:
    path = tmp_path / name
    if name.endswith("mp4"):  # the index is at its start; without it no frame can be read
        make.video(path, 200, options={"movflags": "faststart"})
    else:
        make.video(path, 200, codec="mpeg4")
    cut(path, share)
    recording = open_source(str(path))
    assert 20 < len(recording) < 200
    damaged = 0
    for i in range(len(recording)):
        try:
            rgb = recording[i].rgb
        except FrameError:
            damaged += 1
        else:
            damaged += make.read_barcode(rgb) != i
    assert damaged <= 3
    if name == "a.mp4":
        lost = [Skip(f"{i:05d}", "truncated video") for i in range(len(recording), 200)]
        assert list(recording.skipped) == lost


def test_no_video_is_a_clear_error(tmp_path: Path, make: Any, cut: Callable[[Path, float], None]) -> None:
    (tmp_path / "text.mp4").write_text("this is text")
    (tmp_path / "empty.mp4").write_bytes(b"")
    make.video(tmp_path / "cut.mp4")
    cut(tmp_path / "cut.mp4", 0.6)  # the index is at the end
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream: Any = container.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    for name in ("text.mp4", "empty.mp4", "cut.mp4"):
        with pytest.raises(SourceError, match="cannot be opened as a video"):
            open_source(str(tmp_path / name))
    with pytest.raises(SourceError, match="no picture track"):
        open_source(str(tmp_path / "sound.mkv"))
    with pytest.raises(SourceError, match="there is no video file"):
        open_source(f"video:{tmp_path / 'absent.mp4'}")


def test_a_video_under_any_name_is_recognized(tmp_path: Path, make: Any) -> None:
    make.video(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").rename(tmp_path / "download")
    assert open_source(str(tmp_path / "download")).kind == "video"


def test_rotation_is_applied(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "a.mp4"
    make.video(path)
    upright = open_source(str(path))[5].rgb
    data = path.read_bytes()
    one, zero = (65536).to_bytes(4, "big"), bytes(4)
    unit = one + zero * 3 + one + zero * 3 + (1 << 30).to_bytes(4, "big")
    quarter = zero + one + zero + (-65536 & 0xFFFFFFFF).to_bytes(4, "big") + zero * 4 + (1 << 30).to_bytes(4, "big")
    at = data.index(unit, data.index(b"tkhd"))  # the matrix of the track header, after that of the movie
    path.write_bytes(data[:at] + quarter + data[at + 36 :])
    turned = open_source(str(path))[5].rgb
    assert turned.flags.c_contiguous
    assert np.array_equal(turned, np.rot90(upright, -1))  # 90 degrees clockwise, as players show it


def test_a_folder_with_one_video_and_masks(tmp_path: Path, make: Any) -> None:
    make.video(tmp_path / "clip.mp4")
    mask = np.zeros((48, 64), np.uint8)
    mask[3:6] = 255
    make.rgb(tmp_path / "masks/00007.png", mask)
    source = open_source(str(tmp_path))
    assert (source.kind, len(source)) == ("video", 30)
    assert source[6].annotation is None
    assert np.array_equal(source[7].annotation, mask // 255)
    make.video(tmp_path / "other.mp4")
    with pytest.raises(SourceError, match="holds 2 videos") as caught:
        open_source(str(tmp_path))
    assert "video:" in caught.value.hint


def test_real_clips(shared: Path) -> None:
    counts = {"apple": 50, "teddy": 141, "coffee": 287, "kitten": 149}
    for name, count in counts.items():
        assert len(open_source(str(shared / f"data/videos/{name}.mp4"))) == count
    dogs = open_source(str(shared / "data/davis_dogs_jump_240p"))
    assert (dogs.kind, len(dogs)) == ("video", 66)
    assert all(set(np.unique(dogs[i].annotation)) <= {0, 1, 2, 3} for i in range(0, 66, 13))
    assert set(np.unique(dogs[40].annotation)) == {0, 1, 2, 3}


def test_starting_anew_leaves_nothing_open(tmp_path: Path, make: Any) -> None:
    """A decoder that is not closed keeps its file and its pictures, a few megabytes each time."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not list open files")
    path = tmp_path / "again.mp4"
    make.video(path, 12)

    def times_open() -> int:
        return sum(file.resolve() == path.resolve() for file in descriptors.iterdir() if file.exists())

    source = open_source(str(path))
    for i in (0, 11, 0, 5, 0, 11, 0):
        assert make.read_barcode(source[i].rgb) == i
    assert times_open() <= 1
    source.close()
    assert times_open() == 0


@pytest.mark.parametrize("name", ["2024-05-01T12:30:00.mp4", "concat:a.mp4", "tum:a.mp4"])
def test_a_colon_in_a_name_is_no_protocol_and_no_kind(
    name: str, tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.video(tmp_path / "plain.mp4", 5)
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(open_source(name)) == 5


@pytest.mark.parametrize("suffix", ["vob", "mxf", "asf", "m2v", "264", "265", "dv"])
def test_more_suffixes_are_known(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"clip.{suffix}").touch()
    assert video.recognizes(str(tmp_path / f"clip.{suffix}"))


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_no_squares_are_told(turned: bool, tmp_path: Path, make: Any) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)
        if turned:
            stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(make.barcode(1), format="rgb24")))
        container.mux(stream.encode())
    video = open_source(str(path))
    assert video[0].rgb.shape[:2] == ((64, 48) if turned else (48, 64))
    assert video.pixel_aspect == (Fraction(15, 16) if turned else Fraction(16, 15))
    assert "times as wide as high" in video.notes[0]
