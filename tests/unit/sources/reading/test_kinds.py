"""Property tests of files in a folder: images of any value range, with several pages or too large; masks; others."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from streamseg.errors import FrameError
from streamseg.sources import open_source
from streamseg.sources.reading.headers import MAX_PIXELS
from streamseg.sources.reading.images import read_rgb
from streamseg.sources.reading.left_out import notes_on_unused
from streamseg.sources.reading.masks import interpret

Folders = pytest.TempPathFactory


@settings(max_examples=40, deadline=None)
@given(maxval=st.integers(1, 65535), text=st.booleans(), colour=st.booleans())
def test_values_of_pnm_run_from_0_to_maxval(maxval: int, text: bool, colour: bool, tmp_path_factory: Folders) -> None:
    values = np.linspace(0, maxval, 60).round().astype(int).reshape(4, 15)
    shown = values.repeat(3) if colour else values.ravel()
    kind = (2 if text else 5) + colour
    stored = " ".join(map(str, shown)).encode() if text else shown.astype(">u2" if maxval > 255 else "u1").tobytes()
    path = tmp_path_factory.getbasetemp() / "a.pnm"
    path.write_bytes(b"P%d\n# by hand\n15 4\n%d\n" % (kind, maxval) + stored)
    found = read_rgb(path)
    assert found.shape == (4, 15, 3)
    np.testing.assert_allclose(found[..., 1], values * 255 / maxval, atol=1)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 6), form=st.sampled_from(["tiff", "webp", "png", "gif"]))
def test_every_picture_of_a_file_is_a_frame(count: int, form: str, tmp_path_factory: Folders) -> None:
    folder = tmp_path_factory.mktemp("pages")
    shades = [30 + 40 * i for i in range(count)]
    first, *others = (Image.new("RGB", (48, 32), (shade, shade, shade)) for shade in shades)
    first.save(
        folder / f"a.{form}", save_all=True, append_images=others, **({"lossless": True} if form == "webp" else {})
    )
    with open_source(str(folder)) as source:
        found = [int(source[i].rgb.mean()) for i in range(len(source))]
        assert len({source.name_of(i) for i in range(len(source))}) == count
    assert found == pytest.approx(shades, abs=2)


@settings(max_examples=40, deadline=None)
@given(width=st.integers(64, 2**31 - 1), height=st.integers(64, 2**31 - 1))
def test_no_picture_is_decoded_that_claims_more_than_the_limit(
    width: int, height: int, tmp_path_factory: Folders
) -> None:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        chunk = name + content
        data += struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path = tmp_path_factory.getbasetemp() / "large.png"
    path.write_bytes(data)
    wanted = "megapixels" if width * height > MAX_PIXELS else "not a readable image|picture"
    with pytest.raises(FrameError, match=wanted):
        read_rgb(path)


FILES = {"video": "mp4 mov avi mkv webm m2v 264", "archive": "tgz tar zip tar.xz", "picture": "exr heic dng jp2"}


@settings(max_examples=25, deadline=None)
@given(counts=st.fixed_dictionaries({name: st.integers(0, 5) for name in FILES}), seed=st.integers(0, 99))
def test_what_is_left_out_is_counted(counts: dict[str, int], seed: int, tmp_path_factory: Folders) -> None:
    folder, random = tmp_path_factory.mktemp("left"), np.random.default_rng(seed)
    Image.new("RGB", (8, 8)).save(folder / "used.png")
    for name, count in counts.items():
        for i in range(count):
            (folder / f"{name}{i}.{random.choice(FILES[name].split())}").touch()
    notes = notes_on_unused(folder)
    assert len(notes) == sum(count > 0 for count in counts.values())
    for name, count in counts.items():
        assert any(f"left out: {count} {name}" in note for note in notes) == (count > 0)


@settings(max_examples=30, deadline=None)
@given(ids=st.lists(st.integers(1, 255), min_size=1, max_size=12, unique=True), times=st.sampled_from([1, 256, 257]))
def test_ids_of_sixteen_bits_may_be_stored_times_a_byte(ids: list[int], times: int, tmp_path_factory: Folders) -> None:
    drawn = np.repeat(np.array([0, *ids], np.uint16)[None], 8, 0).repeat(6, 1)
    path = (
        tmp_path_factory.mktemp("ids") / "m.png"
    )  # in a folder of its own: masks beside it would affect how it is read
    Image.fromarray(drawn * np.uint16(times)).save(path)
    black_and_white = ids == [255] and times != 256
    assert np.array_equal(interpret(path).ids, drawn > 0 if black_and_white else drawn)


@settings(max_examples=20, deadline=None)
@given(colours=st.lists(st.sampled_from(["red", "lime", "blue", "yellow"]), min_size=2, max_size=4, unique=True),
       quality=st.integers(40, 95))  # fmt: skip
def test_colours_that_jpeg_has_blurred_are_never_ids(colours: Any, quality: int, tmp_path_factory: Folders) -> None:
    image = Image.new("RGB", (96, 64))
    for i, colour in enumerate(colours):
        image.paste(colour, (8 + 20 * i, 10, 24 + 20 * i, 50))
    path = tmp_path_factory.getbasetemp() / "m.jpg"
    image.save(path, quality=quality)
    with pytest.raises(FrameError, match="its ids are lost"):
        interpret(path)
