"""Encode the masks of a label map as COCO run lengths (column-major), with area and box."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np
from pycocotools import mask as coco_mask


class RunLengths(TypedDict):
    """Compressed run lengths of COCO. size: [H, W]."""

    size: list[int]
    counts: str


class Mask(NamedTuple):
    """The mask of one id. area: pixels. box: [x, y, width, height] in pixels."""

    id: int
    rle: RunLengths
    area: int
    box: list[float]


def singular(masks: str) -> str:
    """Return the name of the category for a kind of masks: "region", "object", or "segment" for panoptic."""
    return {"regions": "region", "objects": "object"}.get(masks, "segment")


def masks(labels: np.ndarray) -> list[Mask]:
    """Return the masks of the ids 1 ... 254 in an (H, W) uint8 label map, sorted by id."""
    present = np.bincount(labels.ravel(), minlength=256) > 0
    ids = [int(i) for i in np.flatnonzero(present) if 1 <= i <= 254]
    column_major = np.asfortranarray(labels)
    encoded = []
    for i in ids:
        rle = coco_mask.encode(np.asfortranarray(column_major == i, dtype=np.uint8))
        area, box = int(coco_mask.area(rle)), [float(side) for side in coco_mask.toBbox(rle)]
        run_lengths = RunLengths(size=list(rle["size"]), counts=rle["counts"].decode("ascii"))
        encoded.append(Mask(i, run_lengths, area, box))
    return encoded
