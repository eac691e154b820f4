"""Colours for ids: the DAVIS palette for label files, and a palette for pictures.

`davis()` is the colour map of PASCAL VOC and DAVIS; label files use it. The colours of `distinct()` can be
distinguished with normal vision and with the three kinds of colour blindness. An id has the same colour in every run.
"""

from __future__ import annotations

from functools import cache

import numpy as np

OKABE_ITO = ("#0072B2", "#D55E00", "#F0E442", "#CC79A7", "#56B4E9", "#E69F00", "#009E73")
"""Okabe and Ito (2008), Color Universal Design, without black; sorted so that the first few differ most."""

# Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color vision deficiency",
# table 1, severity 1.0; for linear RGB. Normal vision comes first.
_VISION = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
_XYZ = np.array([[0.412456, 0.357576, 0.180437], [0.212673, 0.715152, 0.072175], [0.019334, 0.119192, 0.950304]])
"""Linear sRGB to XYZ (IEC 61966-2-1), white point D65."""


@cache
def davis() -> np.ndarray:
    """Return the DAVIS palette: (256, 3) uint8 RGB, read-only. The bits of an id go to R, G and B in turn."""
    ids = np.arange(256)
    table = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            table[:, channel] |= (((ids >> (3 * step + channel)) & 1) << (7 - step)).astype(np.uint8)
    return _read_only(table)


@cache
def distinct() -> np.ndarray:
    """Return the palette for pictures: (256, 3) uint8 RGB, read-only. 1 ... 254 all differ; 0 and 255 (void) are black.

    The first colours are those of Okabe and Ito. Each further one is the colour of a fixed grid that differs most from
    the most similar one before it, in CIELAB, by the worst of four kinds of vision.
    """
    steps = np.arange(0, 256, 23)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.uint8)
    lightness, *ab = as_seen(grid)[0].T
    # not close to black and white, which contours and text have, nor to the greys that are common in photographs
    grid = grid[(lightness > 30) & (lightness < 90) & (np.hypot(*ab) > 25)]
    looks = as_seen(grid)
    first = np.array([list(bytes.fromhex(colour[1:])) for colour in OKABE_ITO], np.uint8)
    nearest = distance(looks[:, :, None], as_seen(first)[:, None]).min(axis=1)
    table = np.zeros((256, 3), np.uint8)
    table[1 : len(first) + 1] = first
    for i in range(len(first) + 1, 255):
        best = int(nearest.argmax())
        table[i] = grid[best]
        nearest = np.minimum(nearest, distance(looks, looks[:, best, None]))
    return _read_only(table)


def as_seen(rgb: np.ndarray) -> np.ndarray:
    """Return (4, N, 3) CIELAB: (N, 3) uint8 RGB by normal, protanopic, deuteranopic and tritanopic vision."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ _VISION.transpose(0, 2, 1), 0, 1) @ _XYZ.T / _XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (...): the CIE 1976 differences of two (4, ..., 3) from `as_seen`, the least of the four."""
    return np.sqrt(((a - b) ** 2).sum(axis=-1)).min(axis=0)


def _read_only(table: np.ndarray) -> np.ndarray:
    """Make a table read-only, because all callers share it."""
    table.setflags(write=False)
    return table
