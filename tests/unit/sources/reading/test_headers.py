"""Headers of image files: sizes, limits, pages and orientation."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from streamseg.errors import FrameError
from streamseg.sources import open_source
from streamseg.sources.reading.headers import (
    has_16_bits,
    lacks_pages,
    orientation,
    pages,
    picture_size,
    pnm,
    size_of,
    stored_size,
    too_large,
)
from streamseg.sources.reading.images import read_rgb


def claims(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header has any size."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("form", ["png", "jpg", "bmp", "webp", "tif", "ppm"])
def test_sizes_are_read_from_headers(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{form}"
    Image.new("RGB", (31, 17)).save(path)
    assert size_of(path.read_bytes()) == (31, 17)


def test_a_picture_that_claims_too_much_is_refused_by_its_header(tmp_path: Path) -> None:
    assert "30000x30000" in too_large(claims(30000, 30000))
    assert too_large(claims(4000, 3000)) == ""
    (tmp_path / "a.png").write_bytes(claims(30000, 30000))
    with pytest.raises(FrameError, match="30000x30000"):
        read_rgb(tmp_path / "a.png")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"P5\n", b"II*\0"]))
def test_no_bytes_break_the_reading_of_headers(rest: bytes, start: bytes) -> None:
    size_of(start + rest), too_large(start + rest), has_16_bits(start + rest), pnm(start + rest)


def test_every_page_counts_and_previews_do_not(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), 80 * i, np.uint8)) for i in range(3)]
    for name in ("a.tif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert pages(tmp_path / name) == [0, 1, 2]
    assert pages(tmp_path / "absent.tif") == [0]


@pytest.mark.parametrize(("held", "size"), [(1, (20, 10)), (3, (20, 10)), (6, (10, 20))])
def test_sizes_are_those_of_the_upright_picture(held: int, size: tuple[int, int], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = held
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert (orientation(tmp_path / "a.jpg"), picture_size(tmp_path / "a.jpg")) == (held, size)


def test_pnm_values_run_to_maxval(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(160) * 6, (4, 1)).astype(">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5\n# ten bits\n160 4\n1023\n" + ramp.tobytes())
    gray = read_rgb(tmp_path / "a.pgm")[0, :, 0].astype(int)
    assert (np.diff(gray) >= 0).all()
    assert gray[-1] == pytest.approx(954 / 1023 * 255, abs=2)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes and devices with names")
def test_pipes_and_devices_are_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    for name in ("pipe.tif", "endless.png"):
        assert stored_size(tmp_path / name) is None
        assert pages(tmp_path / name) == [0]
        with pytest.raises(FrameError, match="not a regular file"):
            read_rgb(tmp_path / name)


def test_a_stack_that_was_cut_off_is_told(tmp_path: Path) -> None:
    first, *others = (Image.new("RGB", (64, 48), (i, 90, 90)) for i in range(4))
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    assert not lacks_pages(tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: len(data) * 2 // 3])
    assert lacks_pages(tmp_path / "a.tif")
    source = open_source(str(tmp_path))
    assert [skip.reason for skip in source.skipped] == ["truncated TIFF"]
