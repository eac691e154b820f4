"""mots.txt: MOTS, a line a mask: frame, object, class, height, width, run lengths.

Voigtlaender et al., "MOTS: Multi-Object Tracking and Segmentation", CVPR 2019. As in KITTI MOTS, frames count from 0,
and the number of an object is 1000 times its class plus its id. There is only one class, 1.
"""

from __future__ import annotations

from pathlib import Path

from streamseg.files import PartialFile
from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.rle import masks

OUTPUT = "mots.txt"
ONE_KIND = True
CLASS = 1


def open(folder: Path, run: Run) -> MotsFile:
    """Write `folder`/mots.txt."""
    return MotsFile(run.new_file(folder, OUTPUT), run.masks)


class MotsFile(Sink):
    """Writes the lines of each frame at once. Frames are numbered by their place in the run."""

    def __init__(self, path: Path, masks: str) -> None:
        self.masks, self.frames = masks, 0
        self.partial = PartialFile(path)
        self.file = self.partial.temporary.open("wb")

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        for mask in masks(segmentation.mask(self.masks)):
            (height, width), counts = mask.rle["size"], mask.rle["counts"]
            line = f"{self.frames} {1000 * CLASS + mask.id} {CLASS} {height} {width} {counts}\n"
            self.file.write(line.encode("ascii"))
        self.frames += 1

    def close(self) -> None:
        try:
            self.file.close()
            self.partial.commit()
        finally:
            self.partial.discard()
