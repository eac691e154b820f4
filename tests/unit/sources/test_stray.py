"""Stray Scanner: depth N belongs to video frame N, at the size of the video, without readings of confidence 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Recording, open_source
from tests.unit.sources.layouts import colour, enlarged, ramp, write_stray


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    source = open_source(str(write_stray(tmp_path / "r")))
    assert isinstance(source, Recording)
    assert (source.kind, len(source), source.fps, source.depth_scale) == ("stray", 4, 60.0, 1000.0)
    for i in (3, 0, 2, 1):
        frame = source[i]
        np.testing.assert_allclose(frame.rgb[10:40, 10:50], colour(i)[10:40, 10:50], atol=4)
        expected = ramp(i) / 1000
        expected[1, 1] = 0
        np.testing.assert_allclose(frame.depth, enlarged(expected), rtol=1e-5)
        assert frame.intrinsics == Intrinsics(60.0, 61.0, 31.5, 23.5)


def test_what_is_missing_is_counted_or_said(tmp_path: Path) -> None:
    folder = write_stray(tmp_path / "r")
    (folder / "depth/000001.png").rename(folder / "depth/000009.png")
    (folder / "confidence/000002.png").write_bytes(b"broken")
    source = open_source(str(folder))
    assert isinstance(source, Recording)
    assert [(skip.name, skip.reason) for skip in source.skipped] == [("000009.png", "depth without colour")]
    assert [(frame := source[i]).depth is None and frame.depth_problem for i in range(4)] == [
        False, "no depth file", "not a readable image", False,
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0, 0.5, 0.95, 0.999])
def test_a_cut_video_ends_in_words_or_is_counted(share: float, tmp_path: Path, cut: Any) -> None:
    folder = write_stray(tmp_path / "r")
    cut(folder / "rgb.mp4", share)
    try:
        source = open_source(str(folder))
    except SourceError:  # mostly, because the index of the video is at its end
        return
    assert isinstance(source, Recording)
    assert share > 0.9
    assert len(source) + len([skip for skip in source.skipped if skip.reason == "truncated video"]) == 4
    assert source[0].depth is not None
