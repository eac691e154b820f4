"""The colour map of PASCAL VOC and DAVIS: the one that label files are written with, and read by."""

from __future__ import annotations

from functools import cache

import numpy as np


@cache
def davis() -> np.ndarray:
    """(256, 3) uint8 RGB, read-only; bits of the id go to R, G, B in turn."""
    ids = np.arange(256)
    table = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            table[:, channel] |= (((ids >> (3 * step + channel)) & 1) << (7 - step)).astype(np.uint8)
    table.setflags(write=False)
    return table
