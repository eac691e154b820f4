"""labels.npz: labels [T,H,W], timestamps, names and ids of the whole run in one NumPy archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from streamseg.files import PartialFile
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.sinks import Run, Sink

OUTPUT = "labels.npz"
ONE_KIND = True


def open(folder: Path, run: Run) -> LabelArchive:
    """Write `folder`/labels.npz."""
    return LabelArchive(run.new_file(folder, OUTPUT), run.masks)


class LabelArchive(Sink):
    """Writes an archive with these arrays: labels (T, H, W) uint8; timestamps (T,) float64 [s]; names (T,) str; ids
    (N,) uint8, every id that occurs; sizes (T, 2) int32, height and width of each frame. A frame that is smaller than
    (H, W) lies at the top left, and VOID fills the rest.

    The header of an array contains its shape, which is known at the end only. Until then the labels are stored in a
    file beside the archive, so that memory stays constant.
    """

    def __init__(self, path: Path, masks: str) -> None:
        self.masks, self.partial = masks, PartialFile(path)
        self.spool_path = self.partial.temporary.with_suffix(".raw")
        self.spool = self.spool_path.open("wb+")
        self.timestamps: list[float] = []
        self.names: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.used = np.zeros(256, bool)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        labels = segmentation.mask(self.masks)
        self.spool.write(np.ascontiguousarray(labels).data)
        height, width = labels.shape
        self.sizes.append((height, width))
        self.timestamps.append(frame.timestamp)
        self.names.append(frame.name)
        self.used |= np.bincount(labels.ravel(), minlength=256) > 0

    def close(self) -> None:
        try:
            if self.sizes:
                self._assemble()
        finally:
            self.spool.close()
            self.spool_path.unlink(missing_ok=True)
            self.partial.discard()

    def _assemble(self) -> None:
        sizes = np.array(self.sizes, np.int32)
        height, width = (int(side) for side in sizes.max(axis=0))
        self.spool.seek(0)
        with zipfile.ZipFile(self.partial.temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("labels.npy", "w", force_zip64=True) as member:
                header = {"descr": "|u1", "fortran_order": False, "shape": (len(sizes), height, width)}
                np.lib.format.write_array_header_1_0(member, header)
                for h, w in self.sizes:
                    labels = np.frombuffer(self.spool.read(h * w), np.uint8).reshape(h, w)
                    padding = ((0, height - h), (0, width - w))
                    member.write(np.pad(labels, padding, constant_values=VOID).tobytes())
            ids = np.flatnonzero(self.used[:VOID]).astype(np.uint8)
            rest = {"timestamps": np.array(self.timestamps), "names": np.array(self.names), "ids": ids, "sizes": sizes}
            for name, array in rest.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        self.partial.commit()
