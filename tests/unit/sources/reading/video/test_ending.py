"""A truncated Matroska file is recognized by its own sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamseg.sources import open_source
from streamseg.sources.reading.video.ending import TRUNCATED, is_truncated


@pytest.mark.parametrize("share", [0.9, 0.999])
def test_what_is_cut_off_is_told(share: float, tmp_path: Path, make: Any, cut: Any) -> None:
    path = tmp_path / "r.mkv"
    make.kinect(path)
    assert not is_truncated(str(path))
    assert open_source(str(path)).notes == ()
    cut(path, share)
    assert is_truncated(str(path))
    assert open_source(str(path)).notes == (TRUNCATED,)
    assert TRUNCATED in open_source(f"video:{path}").notes


@pytest.mark.parametrize(
    "data",
    [b"", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7, b"RIFF" + bytes(60),
     b"\x1a\x45\xdf\xa3\x01" + b"\x7f" * 7, b"\x00" * 20],
)  # fmt: skip
def test_what_does_not_say_how_long_it_is_is_not_called_cut(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.mkv").write_bytes(data)
    assert not is_truncated(str(tmp_path / "r.mkv"))
    assert not is_truncated(str(tmp_path / "absent"))
