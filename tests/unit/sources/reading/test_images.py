"""Image files of every kind, intact and damaged."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from streamseg.errors import FrameError
from streamseg.sources.reading.images import read_rgb, read_uint16
from streamseg.sources.reading.masks import read_mask, read_soft_mask


def encoded(rgb: np.ndarray, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_as_they_were(form: str, tmp_path: Path, make: Any) -> None:
    path = tmp_path / f"ä 图.{form.lower()}"
    path.write_bytes(encoded(make.texture(0), form))
    assert np.array_equal(read_rgb(path), make.texture(0))


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_formats_agree_with_another_decoder(form: str, tmp_path: Path, make: Any) -> None:
    smooth = cv2.GaussianBlur(make.texture(0), (0, 0), 5)
    path = tmp_path / "a"
    path.write_bytes(encoded(smooth, form, quality=95))
    other = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert np.abs(read_rgb(path).astype(int) - other).max() <= 4


def test_gray_rgba_palette_and_sixteen_bits_become_rgb_bytes(tmp_path: Path, make: Any) -> None:
    rgb = make.texture(1)
    gray = rgb[..., 0]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert np.array_equal(read_rgb(tmp_path / "gray.png"), np.repeat(gray[..., None], 3, 2))
    alpha = np.random.default_rng(0).integers(0, 256, gray.shape, np.uint8)
    Image.fromarray(np.dstack((rgb, alpha))).save(tmp_path / "rgba.png")
    assert np.array_equal(read_rgb(tmp_path / "rgba.png"), rgb)
    indexed = Image.fromarray(gray)
    indexed.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
    indexed.save(tmp_path / "palette.png")
    assert np.array_equal(read_rgb(tmp_path / "palette.png"), np.asarray(indexed.convert("RGB")))
    deep = rgb.astype(np.uint16) * 256 + 77
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    assert np.abs(read_rgb(tmp_path / "deep.png").astype(int) - rgb).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_others_do(orientation: int, tmp_path: Path, make: Any) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    path.write_bytes(encoded(make.texture(2), "PNG", exif=exif))
    assert np.array_equal(read_rgb(path), np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")))


SAMPLE = np.random.default_rng(5).integers(0, 256, (40, 56, 3), dtype=np.uint8)
WHOLE = {
    "PNG": encoded(SAMPLE, "PNG"),
    "JPEG": encoded(SAMPLE, "JPEG", quality=90),
    "progressive": encoded(SAMPLE, "JPEG", quality=90, progressive=True),
    "WEBP": encoded(SAMPLE, "WEBP"),
    "TIFF": encoded(SAMPLE, "TIFF"),
    "BMP": encoded(SAMPLE, "BMP"),
    "PPM": encoded(SAMPLE, "PPM"),
}


@pytest.mark.parametrize("form", WHOLE)
@settings(max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
def test_no_truncated_file_is_taken_for_a_picture(
    form: str, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"cut_{form}"
    path.write_bytes(WHOLE[form][: int(len(WHOLE[form]) * share)])
    with pytest.raises(FrameError):
        read_rgb(path)


@pytest.mark.parametrize("form", WHOLE)
def test_nothing_but_the_error_tells_of_a_broken_file(
    form: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut").write_bytes(WHOLE[form][: len(WHOLE[form]) // 2])
    with pytest.raises(FrameError):
        read_rgb(tmp_path / "cut")
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_with_a_preview_is_truncated_in_spite_of_the_previews_end_marker(tmp_path: Path) -> None:
    preview = encoded(SAMPLE[:16, :16], "JPEG")
    segment = b"\xff\xe1" + (len(preview) + 8).to_bytes(2, "big") + b"Exif\0\0" + preview
    whole = WHOLE["JPEG"][:2] + segment + WHOLE["JPEG"][2:]
    (tmp_path / "whole.jpg").write_bytes(whole + b"maker's own appendix")
    assert read_rgb(tmp_path / "whole.jpg").shape == (40, 56, 3)
    (tmp_path / "cut.jpg").write_bytes(whole[:-300])
    with pytest.raises(FrameError, match="truncated JPEG"):
        read_rgb(tmp_path / "cut.jpg")


@given(position=st.integers(8, len(WHOLE["PNG"]) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_in_a_png_is_noticed(position: int, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = bytearray(WHOLE["PNG"])
    data[position] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.png"
    path.write_bytes(data)
    with pytest.raises(FrameError, match=r"PNG|megapixels"):  # the damaged header may have an absurd size
        read_rgb(path)


def test_reasons_are_short_and_free_of_paths(tmp_path: Path, cut: Callable[[Path, float], None], make: Any) -> None:
    make.rgb(tmp_path / "cut.png", make.texture(0))
    cut(tmp_path / "cut.png", 0.5)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "folder.png").mkdir()
    reasons = {}
    for name in ("cut.png", "empty.png", "text.png", "absent.png", "folder.png"):
        with pytest.raises(FrameError) as caught:
            read_rgb(tmp_path / name)
        reasons[name] = str(caught.value)
    assert reasons == {
        "cut.png": "truncated PNG",
        "empty.png": "empty file",
        "text.png": "not a readable image",
        "absent.png": "missing file",
        "folder.png": "unreadable file",
    }


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "a.png", make.texture(0))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(FrameError, match="unreadable file"):
        read_rgb(tmp_path / "a.png")


def test_depth_of_eight_bits_or_colours_is_refused(tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "c.png", make.texture(0))
    make.rgb(tmp_path / "g.png", make.texture(0)[..., 0])
    with pytest.raises(FrameError, match="3 x uint8"):
        read_uint16(tmp_path / "c.png")
    with pytest.raises(FrameError, match="1 x uint8"):
        read_uint16(tmp_path / "g.png")


def test_masks_of_every_kind_give_ids(tmp_path: Path) -> None:
    def read(image: Image.Image, name: str) -> np.ndarray:
        (tmp_path / name).mkdir()  # all masks of one folder have the same meaning
        image.save(tmp_path / name / "0.png")
        return read_mask(tmp_path / name / "0.png")

    ids = np.zeros((6, 8), np.uint8)
    ids[1:3, 1:3], ids[4, 4], ids[0] = 1, 2, 255
    indexed = Image.fromarray(ids)
    indexed.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
    assert np.array_equal(read(indexed, "indexed"), ids)
    assert np.array_equal(read(Image.fromarray(ids), "gray"), ids)
    object_ = (ids == 1).astype(np.uint8)
    assert np.array_equal(read(Image.fromarray(object_ * 255), "binary"), object_)
    assert np.array_equal(read(Image.fromarray(object_.astype(bool)), "bits"), object_)
    rgba = np.full((6, 8, 4), 255, np.uint8)
    rgba[..., :3] = object_[..., None] * 255
    assert np.array_equal(read(Image.fromarray(rgba), "rgba"), object_)
    palette = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]], np.uint8)
    assert read(Image.fromarray(palette[[[0, 1, 2, 3]]]), "davis").tolist() == [[0, 1, 2, 3]]
    ramp = np.arange(256, dtype=np.uint8)[None]
    assert np.array_equal(read(Image.fromarray(ramp), "soft"), ramp >= 128)
    assert np.array_equal(read_soft_mask(tmp_path / "soft" / "0.png"), ramp >= 128)


def test_foreign_colours_keep_their_ids_over_the_frames(tmp_path: Path) -> None:
    red, blue = [250, 10, 10], [10, 10, 250]
    Image.fromarray(np.array([[[0, 0, 0], red, blue]], np.uint8)).save(tmp_path / "0.png")
    Image.fromarray(np.array([[[0, 0, 0], red, red]], np.uint8)).save(tmp_path / "1.png")
    assert read_mask(tmp_path / "0.png").tolist() == [[0, 2, 1]]
    assert read_mask(tmp_path / "1.png").tolist() == [[0, 2, 2]]


def test_a_broken_mask_is_a_frame_error(tmp_path: Path, cut: Callable[[Path, float], None], make: Any) -> None:
    make.rgb(tmp_path / "m.png", make.texture(0))
    cut(tmp_path / "m.png", 0.7)
    with pytest.raises(FrameError, match="truncated PNG"):
        read_mask(tmp_path / "m.png")
    make.rgb(tmp_path / "n.png", make.texture(0))
    with pytest.raises(FrameError, match="too many colours"):
        read_mask(tmp_path / "n.png")
    (tmp_path / "t.png").write_text("no mask")
    with pytest.raises(FrameError, match="unreadable mask"):
        read_mask(tmp_path / "t.png")


@pytest.mark.parametrize("sides", ["0 4", "4 0", "0 0"])
def test_a_picture_without_pixels_is_an_error(sides: str, tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(f"P6 {sides} 100 ".encode() + bytes(48))
    with pytest.raises(FrameError):
        read_rgb(tmp_path / "a.ppm")


@pytest.mark.parametrize(("least", "factor"), [(0, 1), (301, 1), (300, 2), (151, 2), (150, 4), (75, 8), (10, 8)])
def test_a_jpeg_is_decoded_no_smaller_than_asked_for(least: int, factor: int, tmp_path: Path) -> None:
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(small, (800, 600), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "a.jpg"), picture)
    whole, found = read_rgb(tmp_path / "a.jpg"), read_rgb(tmp_path / "a.jpg", least=least)
    assert found.shape == (600 // factor, 800 // factor, 3)
    again = cv2.resize(whole, found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(again.astype(int) - found).mean() < 4
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    assert read_rgb(tmp_path / "a.png", least=least).shape == (600, 800, 3)


@pytest.mark.parametrize("value", [b"1.5 ", b"a ", b"99999999999999999999 ", b"0x5 "])
def test_text_that_is_no_number_is_damage(value: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P3\n2 2\n255\n" + value * 12)
    with pytest.raises(FrameError, match="damaged PNM"):
        read_rgb(tmp_path / "a.ppm")
