"""A folder of indexed PNGs (DAVIS palette), one a frame, of the frame's own size."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from streamseg.files import UniqueNames, written
from streamseg.frame import Frame, Segmentation
from streamseg.masks import palette
from streamseg.sinks import Run, Sink


class IndexedFiles(Sink):
    """One mask of each segmentation, see `Segmentation.mask`. Each file is whole as soon as it has its name."""

    def __init__(self, folder: Path, output: str, run: Run, masks: str) -> None:
        self.folder, self.output, self.run, self.masks = folder, output, run, masks
        self.names = UniqueNames()  # a name can come from anywhere, the file system may not take it

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        path = self.run.new_file(self.folder, f"{self.output}/{self.names(frame.name)}.png")
        with written(path) as temporary:
            temporary.write_bytes(indexed_png(segmentation.mask(self.masks)))

    def close(self) -> None:
        """Every file is finished already."""


def indexed_png(labels: np.ndarray) -> bytes:
    """(H, W) uint8 -> PNG of colour type 3 with the DAVIS palette (RFC 2083).

    Neighbouring rows of a label map are nearly equal, so filter 2 (up) with run lengths packs them three times as
    fast as the usual settings, and no larger.
    """
    height, width = labels.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = 2  # the filter, before each row
    rows[0, 1:] = labels[0]
    np.subtract(labels[1:], labels[:-1], out=rows[1:, 1:])
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    pixels = packer.compress(rows.data) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette.davis().tobytes()), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
