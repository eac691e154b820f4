"""overlay.mp4, decoded again: images, sizes, rates, and the file after a full disk or an interrupted run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamseg.errors import OutputError
from streamseg.frame import Frame, Segmentation
from streamseg.masks import drawing
from streamseg.sinks import Run, Sink, open_sink, overlay

FullDisk = Callable[[int], AbstractContextManager[None]]


def item(index: int, rgb: np.ndarray) -> tuple[Frame, Segmentation]:
    """Frame and labels 1 | 2, left and right, the boundary moving with `index`."""
    labels = np.ones(rgb.shape[:2], np.uint8)
    labels[:, rgb.shape[1] // 3 + index % 5 :] = 2
    return Frame(index, f"{index:05d}", index / 30, rgb), Segmentation(labels, k=2)


def gray(size: tuple[int, int], value: int = 90) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def noise(index: int, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)


def save(folder: Path, pictures: list[np.ndarray], run: Run | None = None) -> Path:
    with open_sink("overlay", folder, run or Run("a sequence")) as sink:
        for index, rgb in enumerate(pictures):
            sink.write(*item(index, rgb))
    return folder / "overlay.mp4"


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_decoded_frames_are_those_that_were_drawn(shapes: Callable, tmp_path: Path) -> None:
    recording = shapes(12, (240, 320))
    items = [(recording[i], Segmentation(recording[i].annotation + np.uint8(1), k=4)) for i in range(12)]
    with open_sink("overlay", tmp_path, Run("shapes", alpha=0.4)) as sink:
        for frame, segmentation in items:
            sink.write(frame, segmentation)
    found = decode(tmp_path / "overlay.mp4")
    assert len(found) == 12
    for picture, (frame, segmentation) in zip(found, items, strict=True):
        wanted = drawing.overlay(frame.rgb, segmentation.regions, 0.4).astype(float)
        assert np.abs(picture.mean(axis=(0, 1)) - wanted.mean(axis=(0, 1))).max() < 3  # no shift of colours
        assert 10 * np.log10(255**2 / np.mean((picture - wanted) ** 2)) > 24  # [dB]; thin lines lose their colour


def test_the_file_has_the_tags_that_players_need(tmp_path: Path) -> None:
    path = save(tmp_path, [gray((64, 80))] * 3)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == ("h264" if "libx264" in av.codecs_available else "mpeg4")
        assert context.pix_fmt == "yuv420p"
        assert (context.colorspace, context.color_range) == (overlay.Colorspace.ITU601, overlay.ColorRange.MPEG)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # can be played while it is fetched


def test_without_h264_it_is_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    sink = overlay.open(tmp_path, Run("a sequence"))
    assert isinstance(sink, overlay.Overlay)
    assert sink.codec == "mpeg4"
    with sink:
        for index in range(4):
            sink.write(*item(index, gray((64, 80))))
    assert len(decode(tmp_path / "overlay.mp4")) == 4


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [float(frame.pts * stream.time_base) for frame in container.decode(stream)]


def save_at(folder: Path, stamps: list[float], fps: float = 30.0) -> list[float]:
    """Return when the frames of a video with these time stamps are shown."""
    with open_sink("overlay", folder, Run("a sequence", fps=fps)) as sink:
        for index, stamp in enumerate(stamps):
            frame, segmentation = item(index, gray((64, 80)))
            sink.write(replace(frame, timestamp=stamp), segmentation)
    return times_of(folder / "overlay.mp4")


@pytest.mark.parametrize("step", [1 / 30, 1001 / 30000, 0.08, 1.0, 0.4567])
def test_it_plays_at_the_speed_of_the_time_stamps(step: float, tmp_path: Path) -> None:
    stamps = [1305031102.175 + i * step for i in range(9)]
    assert save_at(tmp_path, stamps) == pytest.approx([i * step for i in range(9)], abs=2e-3 * step + 1e-4)


def test_pauses_are_kept(tmp_path: Path) -> None:
    assert save_at(tmp_path, [0, 0.1, 0.15, 2.15, 2.2]) == pytest.approx([0, 0.1, 0.15, 2.15, 2.2], abs=1e-4)


def test_clocks_that_jump_or_stand_still(tmp_path: Path) -> None:
    found = save_at(tmp_path, [5, 5, 5.1, 1.0, 1.1, 9999], fps=20)
    assert found == pytest.approx([0, 0.05, 0.15, 0.2, 0.3, 10.3], abs=1e-4)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 99), width=st.integers(1, 99))
def test_any_size_is_padded_to_even_sides(height: int, width: int, tmp_path: Path) -> None:
    found = decode(save(tmp_path, [gray((height, width))] * 2))
    assert [picture.shape for picture in found] == [(height + height % 2, width + width % 2, 3)] * 2


def test_the_last_row_and_column_are_repeated(tmp_path: Path) -> None:
    picture = decode(save(tmp_path, [gray((121, 161))]))[0].astype(int)
    assert np.abs(picture[-1] - picture[-2]).max() < 12
    assert np.abs(picture[:, -1] - picture[:, -2]).max() < 12


def test_frames_of_other_sizes_are_fitted_into_the_first(tmp_path: Path) -> None:
    pictures = [gray((120, 160)), gray((160, 120)), gray((240, 320)), gray((60, 160)), gray((120, 160))]
    found = decode(save(tmp_path, pictures))
    assert [picture.shape for picture in found] == [(120, 160, 3)] * 5
    portrait, landscape = found[1], found[3]
    assert portrait[:, :30].max() < 20  # 90 of 160 columns are used
    assert portrait[:, -30:].max() < 20
    assert portrait[20:60, 40:100].mean() > 60
    assert landscape[:25].max() < 20
    assert landscape[40:60].mean() > 60
    assert found[2][:, :10].mean() > 60  # same aspect: no bars


def test_without_frames_there_is_no_file(tmp_path: Path) -> None:
    save(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_it_gets_its_final_name_when_it_is_complete(tmp_path: Path) -> None:
    sink = open_sink("overlay", tmp_path, Run("a sequence"))
    for index in range(5):
        sink.write(*item(index, noise(index)))
    assert not (tmp_path / "overlay.mp4").exists()
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["overlay.mp4"]
    before = (tmp_path / "overlay.mp4").read_bytes()
    sink.close()
    assert (tmp_path / "overlay.mp4").read_bytes() == before


def test_an_interrupted_run_leaves_a_video_of_its_frames(tmp_path: Path) -> None:
    def interrupted() -> None:
        with open_sink("overlay", tmp_path, Run("a sequence")) as sink:
            for index in range(100):
                sink.write(*item(index, noise(index)))
                if index == 6:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(decode(tmp_path / "overlay.mp4")) == 7


def write_until_it_fails(sink: Sink) -> None:
    for index in range(60):
        sink.write(*item(index, noise(index)))


def test_a_full_disk_ends_the_run_and_leaves_nothing(tmp_path: Path, full_disk: FullDisk) -> None:
    sink = open_sink("overlay", tmp_path, Run("a sequence"))
    with full_disk(300_000):
        with pytest.raises(OutputError) as caught:
            write_until_it_fails(sink)
        sink.close()
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_at_the_end(tmp_path: Path, full_disk: FullDisk) -> None:
    sink = open_sink("overlay", tmp_path, Run("a sequence"))
    sink.write(*item(0, noise(0)))
    with full_disk(1000):
        with pytest.raises(OutputError):
            sink.close()
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_keeps_the_video_of_an_earlier_one(tmp_path: Path, full_disk: FullDisk) -> None:
    before = save(tmp_path, [gray((64, 80))] * 3).read_bytes()
    with full_disk(300_000), pytest.raises(OutputError), open_sink("overlay", tmp_path, Run("a sequence")) as sink:
        write_until_it_fails(sink)
    assert (tmp_path / "overlay.mp4").read_bytes() == before


def test_a_folder_that_was_removed(tmp_path: Path) -> None:
    # The file is made when the encoder gives its first packet, which may be as late as at the end.
    with pytest.raises(OutputError), open_sink("overlay", tmp_path / "absent", Run("a sequence")) as sink:
        sink.write(*item(0, noise(0)))
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_no_encoder_takes(tmp_path: Path) -> None:
    sink = open_sink("overlay", tmp_path, Run("a sequence"))
    with pytest.raises(OutputError, match="20000x4") as caught:
        sink.write(*item(0, gray((4, 20000))))
    assert "--save" in caught.value.hint
    sink.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["12:30", "pipe:1", "file:", "a b%d#?"])
def test_any_name_of_the_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg takes what stands before a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    with open_sink("overlay", Path(name), Run("a sequence")) as sink:
        sink.write(*item(0, noise(0)))
    with av.open(str(tmp_path / name / "overlay.mp4")) as video:
        assert len(list(video.decode(video=0))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
