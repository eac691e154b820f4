"""yolo/: images/*.jpg, labels/*.txt with a polygon an object, and data.yaml, as YOLO trainers take it.

A line is `class x1 y1 x2 y2 ...`: the corners, each inside a pixel of the outline, divided by width and height. The
format has no ids, and one polygon for each object: parts and holes are joined by lines. At the end a note says how many
pixels this has changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamseg.files import written
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.pictures import Pictures
from streamseg.sinks.encoding.polygon import filled, polygon
from streamseg.sinks.encoding.rle import singular

OUTPUT = "yolo"
ONE_KIND = True
MIN_CORNERS = 3
"""Readers refuse polygons with fewer corners."""

OFFSET = 0.25
"""Position of a corner in its pixel, 0 ... 1: readers that round and readers that truncate (ultralytics) then find the
same pixel."""


def open(folder: Path, run: Run) -> YoloFolder:
    """Write below `folder`/yolo."""
    return YoloFolder(folder, run)


class YoloFolder(Sink):
    """Writes data.yaml first, then one image and one file of labels for each frame."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder, self.run = folder, run
        self.pictures = Pictures(folder, run, OUTPUT)
        self.masks = self.pixels = self.changed = 0
        name = singular(run.masks)
        # without `path`, trainers look in the folder of data.yaml
        text = f"train: images\nval: images\nnc: 1\nnames:\n  0: {name}\n"
        with written(run.new_file(folder, f"{OUTPUT}/data.yaml")) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        labels = segmentation.mask(self.run.masks)
        stem = Path(self.pictures.write(frame)).stem
        lines = [self._line(labels == i) for i in np.unique(labels).tolist() if 0 < i < VOID]
        with written(self.run.new_file(self.folder, f"{OUTPUT}/labels/{stem}.txt")) as temporary:
            temporary.write_text("".join(lines), encoding="ascii")

    def _line(self, mask: np.ndarray) -> str:
        height, width = mask.shape
        corners = polygon(mask)
        self.masks += 1
        self.pixels += int(np.count_nonzero(mask))
        self.changed += int(np.count_nonzero(filled(corners, (height, width)) != mask))
        # masks of one or two pixels repeat a corner
        corners = np.resize(corners, (max(MIN_CORNERS, len(corners)), 2))
        relative = (corners + OFFSET) / (width, height)
        return "0 " + " ".join(f"{number:.7g}" for number in relative.ravel().tolist()) + "\n"

    def close(self) -> None:
        """Log how many pixels the polygons have changed."""
        if self.masks:
            self.run.log(
                f"note: yolo has no ids, and one polygon for each of {self.masks} masks: parts and holes are joined by "
                f"lines, which changes {100 * self.changed / self.pixels:.2g} % of the pixels; dataset keeps all"
            )
