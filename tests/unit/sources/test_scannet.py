"""ScanNet's .sens: both codings of colour and of depth, and depth at the size of the colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Recording, open_source
from tests.unit.sources.layouts import SIZE, colour, enlarged, ramp, write_sens


@pytest.mark.parametrize(("compression", "kind"), [(1, 2), (0, 1)])
def test_what_was_written_comes_back(compression: int, kind: int, tmp_path: Path) -> None:
    source = open_source(str(write_sens(tmp_path / "s.sens", 4, compression, kind)))
    assert isinstance(source, Recording)
    assert (source.kind, len(source), source.depth_scale) == ("scannet", 4, 1000.0)
    for i in (3, 0, 2, 1):
        frame = source[i]
        np.testing.assert_allclose(frame.rgb, colour(i), atol=3)
        np.testing.assert_allclose(frame.depth, enlarged(ramp(i)) / 1000, rtol=1e-5)
        assert frame.intrinsics == Intrinsics(60.0, 61.0, 31.5, 23.5)
        assert frame.timestamp == pytest.approx(1 + 0.033333 * i)
    assert source.fps == pytest.approx(30, rel=1e-3)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_cut_file_gives_its_whole_frames_and_counts_the_others(share: float, tmp_path: Path, cut: Any) -> None:
    path = write_sens(tmp_path / "s.sens")
    cut(path, share)
    if share < 0.2:  # no complete frame is left
        with pytest.raises(SourceError):
            open_source(str(path))
        return
    source = open_source(str(path))
    assert isinstance(source, Recording)
    assert len(source) + len(source.skipped) == 4
    assert source[0].rgb.shape == (*SIZE, 3)


def test_an_unknown_coding_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"is coded in a way that is not read \(colour 2, depth 2\)"):
        open_source(str(write_sens(tmp_path / "s.sens", compression=2)))
