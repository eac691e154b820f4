"""Compares the palettes with a published table, and their colours with OpenCV's conversion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamseg.masks import palette


def test_davis_palette_is_the_published_one() -> None:
    # The first colours of every DAVIS and PASCAL VOC annotation, and its void colour.
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    first += [(128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0)]
    table = palette.davis()
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert [tuple(colour) for colour in table[: len(first)].tolist()] == first
    assert tuple(table[255].tolist()) == (224, 224, 192)
    assert len(np.unique(table, axis=0)) == 256


def test_every_id_has_a_colour_of_its_own() -> None:
    table = palette.distinct()
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert not table[[0, 255]].any()
    assert len(np.unique(table[1:255], axis=0)) == 254


def test_ids_keep_their_colours_between_versions() -> None:
    found = ["#{:02X}{:02X}{:02X}".format(*colour) for colour in palette.distinct()[1:11].tolist()]
    assert found[:7] == list(palette.OKABE_ITO)
    assert found[7:] == ["#8A00FD", "#B8E6A1", "#732E5C"]


def test_tables_cannot_be_spoilt() -> None:
    for table in (palette.davis(), palette.distinct()):
        with pytest.raises(ValueError, match="read-only"):
            table[1] = 0


# Machado et al. (2009), severity 1.0: protanopia, deuteranopia, tritanopia.
DEFICIENCIES = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def opencv_lab(rgb: np.ndarray, deficiency: str) -> np.ndarray:
    """Convert (N, 3) uint8 RGB to (N, 3) CIELAB by OpenCV, with or without a deficiency."""
    value = rgb / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(DEFICIENCIES[deficiency]).T, 0, 1).astype(np.float32)
    return cv2.cvtColor(seen[None], cv2.COLOR_LRGB2Lab)[0]


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize(("count", "least"), [(4, 22), (6, 16.5), (12, 16), (24, 13)])
def test_the_first_colours_can_be_told_apart(deficiency: str, count: int, least: float) -> None:
    lab = opencv_lab(palette.distinct()[1 : count + 1], deficiency)
    differences = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert differences[~np.eye(count, dtype=bool)].min() >= least


@pytest.mark.parametrize(("row", "deficiency"), list(enumerate(DEFICIENCIES)))
def test_simulated_sight_agrees_with_opencv(row: int, deficiency: str) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (500, 3), dtype=np.uint8)
    assert np.abs(palette.as_seen(colours)[row] - opencv_lab(colours, deficiency)).max() < 0.5


def test_colours_stay_clear_of_contours_and_greys() -> None:
    lightness, a, b = opencv_lab(palette.distinct()[1:255], "normal").T
    assert lightness.min() > 25
    assert lightness.max() < 92
    assert np.hypot(a, b).min() > 20
