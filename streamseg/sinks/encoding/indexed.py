"""Write a folder of indexed PNGs (DAVIS palette), one for each frame, of the size of the frame."""

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
    """Writes one PNG for each frame. output: name of the folder. masks: kind of masks, see `Segmentation.mask`."""

    def __init__(self, folder: Path, output: str, run: Run, masks: str) -> None:
        self.folder, self.output, self.run, self.masks = folder, output, run, masks
        self.names = UniqueNames()  # also replaces characters that file names may not contain

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        path = self.run.new_file(self.folder, f"{self.output}/{self.names(frame.name)}.png")
        with written(path) as temporary:
            temporary.write_bytes(indexed_png(segmentation.mask(self.masks)))

    def close(self) -> None:
        """Do nothing: `write` completes every file."""


def indexed_png(labels: np.ndarray) -> bytes:
    """Encode an (H, W) uint8 label map as a PNG of colour type 3 with the DAVIS palette (RFC 2083).

    Neighbouring rows of a label map are nearly equal. Filter 2 ("up") with run lengths therefore compresses them three
    times as fast as the usual settings, to no larger files.
    """
    height, width = labels.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = 2  # each row begins with the number of its filter
    rows[0, 1:] = labels[0]
    np.subtract(labels[1:], labels[:-1], out=rows[1:, 1:])
    compressor = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    pixels = compressor.compress(rows.data) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette.davis().tobytes()), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
