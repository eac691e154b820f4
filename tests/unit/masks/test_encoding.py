"""Pictures as files, read back by Pillow."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from streamseg.masks.encoding import jpeg, png

PICTURE = np.zeros((32, 48, 3), np.uint8)
PICTURE[:, :24] = 200, 40, 10
PICTURE[:, 24:] = 20, 60, 220


def read(data: bytes, kind: str) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as file:
        assert (file.format, file.mode) == (kind, "RGB")
        return np.asarray(file)


def test_a_png_has_the_same_pixels() -> None:
    assert (read(png(PICTURE), "PNG") == PICTURE).all()


def test_a_jpeg_has_nearly_the_same_colours_and_is_smaller_at_a_lower_quality() -> None:
    error = np.abs(read(jpeg(PICTURE, 95), "JPEG").astype(int) - PICTURE)
    assert np.median(error) <= 2
    assert len(jpeg(PICTURE, 30)) < len(jpeg(PICTURE, 95))
