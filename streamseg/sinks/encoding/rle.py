"""Masks of a label map as COCO run lengths (column-major, `size` [H, W]), with area and box."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np
from pycocotools import mask as coco_mask


class RunLengths(TypedDict):
    """As COCO packs them; size: [H, W]."""

    size: list[int]
    counts: str


class Mask(NamedTuple):
    """id; area: pixels; box: [x, y, width, height] in pixels."""

    id: int
    rle: RunLengths
    area: int
    box: list[float]


def singular(masks: str) -> str:
    """The category's name for a kind of masks: region, object, segment (panoptic)."""
    return {"regions": "region", "objects": "object"}.get(masks, "segment")


def masks(labels: np.ndarray) -> list[Mask]:
    """(H, W) uint8 -> the masks of its ids 1 ... 254, in rising order."""
    present = np.bincount(labels.ravel(), minlength=256) > 0
    ids = [int(i) for i in np.flatnonzero(present) if 1 <= i <= 254]
    columns = np.asfortranarray(labels)
    found = []
    for i in ids:
        rle = coco_mask.encode(np.asfortranarray(columns == i, dtype=np.uint8))
        area, box = int(coco_mask.area(rle)), [float(side) for side in coco_mask.toBbox(rle)]
        packed = RunLengths(size=list(rle["size"]), counts=rle["counts"].decode("ascii"))
        found.append(Mask(i, packed, area, box))
    return found
