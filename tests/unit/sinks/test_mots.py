"""MOTS lines, read as the benchmark's tools read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from .conftest import frame, scene, write


def test_lines_decode_to_the_masks(tmp_path: Path) -> None:
    lines = write("mots", tmp_path, [frame(i, scene(i)) for i in (0, 1)]).read_text().splitlines()
    found = np.zeros((2, *scene(0).shape), np.uint8)
    for line in lines:
        index, thing, kind, height, width, counts = line.split(" ")
        assert int(thing) // 1000 == int(kind) == 1
        mask = coco_mask.decode({"size": [int(height), int(width)], "counts": counts.encode()})
        found[int(index)][mask > 0] = int(thing) % 1000
    assert np.array_equal(found, [np.where(scene(i) == 255, 0, scene(i)) for i in (0, 1)])
