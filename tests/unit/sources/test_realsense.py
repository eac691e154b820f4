"""The live camera, with librealsense's software device: newest frames, aligned depth, and reconnection."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, open_source
from streamseg.sources import realsense as plugin
from tests.unit.sources.realsense_files import SoftCamera

pytest.importorskip("pyrealsense2", reason="pyrealsense2 is not installed")
W, H = 640, 480


class Soft(SoftCamera):
    """A camera that films a wall at 1000 mm + the number of the frame, with colour (200, number, 30)."""

    def __init__(self) -> None:
        super().__init__((H, W), (390.0, 610.0), 0.015)
        self.films, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._film, daemon=True)
        self._thread.start()

    def _film(self) -> None:
        while not self._ended.wait(0.02):
            if self.films.is_set():
                number = self.number + 1
                self.send(np.full((H, W, 3), (200, number, 30), np.uint8), np.full((H, W), 1000 + number, np.uint16))

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def soft() -> Iterator[Soft]:
    camera = Soft()
    yield camera
    camera.close()


def test_frames_are_aligned_and_the_newest(soft: Soft) -> None:
    with plugin.RealSense("", Options(), lambda: soft.device) as source:
        assert source.frame_size == (H, W)
        soft.films.set()
        frames = iter(source)
        next(frames)
        time.sleep(0.5)  # a slow reader misses frames
        before = soft.number
        frame = next(frames)
        frame = next(frames)
        number = int(frame.rgb[0, 0, 1])
        assert frame.rgb[0, 0].tolist() == [200, number, 30]
        assert number >= before - 2
        assert frame.depth is not None
        assert frame.depth.shape == (H, W)
        assert frame.depth[240, 320] == pytest.approx((1000 + number) / 1000, abs=2e-3)
        assert frame.intrinsics == Intrinsics(610.0, 610.0, 319.5, 239.5)
        assert source.depth_scale == pytest.approx(1000, rel=1e-4)
        source.close()
        assert next(frames, None) is None


@pytest.mark.parametrize(("units", "refused"), [(1e6, True), (1.0, True), (500.0, False)])
def test_a_given_depth_scale_is_judged_by_the_first_frame(soft: Soft, units: float, refused: bool) -> None:
    with plugin.RealSense("", Options(depth_scale=units), lambda: soft.device) as source:
        soft.films.set()
        if refused:
            with pytest.raises(SourceError, match="half of its depth would lie"):
                next(iter(source))
        else:
            depth = next(iter(source)).depth
            assert depth is not None
            assert depth[240, 320] == pytest.approx(2.0, abs=0.1)


def test_a_camera_that_falls_silent_is_opened_again_and_then_lost(soft: Soft, monkeypatch: Any) -> None:
    monkeypatch.setattr(plugin, "RETRIES", (0.05, 0.05))
    opened: list[int] = []
    source = plugin.RealSense("", Options(), lambda: opened.append(1) or soft.device)  # type: ignore[func-returns-value]
    soft.films.set()
    frames = iter(source)
    next(frames)
    monkeypatch.setattr(plugin, "TIMEOUT_MS", 400)  # the very first frame takes longer
    soft.films.clear()
    later = threading.Timer(0.6, soft.films.set)
    later.start()
    assert next(frames) is not None
    assert len(opened) > 1
    assert [skip.reason for skip in source.skipped] == ["lost the camera's signal"]
    later.join()
    soft.films.clear()
    assert len(list(itertools.islice(frames, 30))) < 30
    assert source.lost


class NoColour:
    """A camera without any stream."""

    def query_sensors(self) -> list[Any]:
        return []


def test_a_camera_without_colour_is_refused() -> None:
    with pytest.raises(SourceError, match=r"offers no RGB stream$"):
        plugin.RealSense("", Options(), NoColour)


def test_without_a_camera_it_says_so() -> None:
    with pytest.raises(SourceError, match="no RealSense camera is connected"):
        open_source("realsense:")
