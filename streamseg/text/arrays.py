"""What a user types to make a frame of an array of another shape or type."""

from __future__ import annotations

import numpy as np

NOTHING = "there is no frame: check that the camera or the file gave one"
CHANNELS = {1: "repeat the gray channel: np.repeat(frame, 3, axis=2)", 4: "leave alpha out: frame[..., :3]"}
"""What to do about another number of channels than three."""


def how_to_convert(given: object) -> str:
    """Return what to type to make (H, W, 3) uint8 RGB of `given`, which is something else."""
    if given is None:
        return NOTHING
    if not isinstance(given, np.ndarray):
        return "give an array: " + ("frame.cpu().numpy()" if hasattr(given, "cpu") else "np.asarray(frame)")
    if not given.size:
        return f"it has no pixels, so {NOTHING}"
    if given.ndim == 2:
        return "repeat the gray channel: np.repeat(frame[..., None], 3, axis=2)"
    if given.ndim == 4:
        return "give one image at a time: for frame in frames"
    if given.ndim == 3 and given.shape[2] != 3:
        if given.shape[0] == 3:
            return "put the channels last: frame.transpose(1, 2, 0)"
        return CHANNELS.get(given.shape[2], "give red, green and blue, in this order, as the last axis")
    if given.dtype == np.uint16:
        return "give 8 bits: (frame >> 8).astype(np.uint8), if all 16 are used"
    return "give whole numbers from 0 to 255: (frame * 255).round().astype(np.uint8), if it is from 0 to 1"
