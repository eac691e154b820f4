"""A cache of decoded frames that all processes of a machine share, so that each frame is decoded once in a run.

The cache is one unnamed file with a slot of equal size for each frame: in memory ("ram", where it grows as slots are
filled), or in the output folder ("disk"). Data workers and other training processes open the file through /proc of the
process that made it. The system deletes it when the last process closes it. Two processes may decode the same frame at
the same time: they write the same bytes, and the size of the picture, which marks the slot as filled, is written last.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamseg.errors import OutputError

ASPECT = 2.0
"""Largest aspect ratio of a picture that a slot holds in full size; longer pictures are made smaller."""
HEADER = 8
"""Bytes of a slot before the pixels: height and width, int32 each."""


def fitted(rgb: np.ndarray, side: int) -> tuple[int, int]:
    """Return (H, W) of a cached picture: the shorter side is at most `side`, the area at most ASPECT * side^2."""
    height, width = rgb.shape[:2]
    scale = min(1.0, side / min(height, width), (ASPECT * side * side / (height * width)) ** 0.5)
    return max(1, int(height * scale)), max(1, int(width * scale))


class FrameCache:
    """A cache of `count` pictures (H, W, channels) uint8, whose shorter side is at most `side` pixels.

    kind: "ram", "disk" or "none". folder: where the file lies with "disk". A pickled copy in another process of the
    machine uses the same pictures.
    """

    def __init__(self, kind: str, count: int, side: int, channels: int = 3, folder: Path | None = None) -> None:
        self.side, self.channels = side, channels
        self.slot = HEADER + int(ASPECT * side * side) * channels
        self.count = count if kind != "none" else 0
        if kind == "ram":
            self.count = min(count, int(_free_memory() / 2 // self.slot))
        self._file = -1
        self.path = ""
        self.buffer = self._allocate(kind, folder) if self.count else None

    def _allocate(self, kind: str, folder: Path | None) -> mmap.mmap:
        size = self.count * self.slot
        if kind == "ram" and not hasattr(os, "memfd_create"):  # not Linux: a forked worker inherits the memory
            return mmap.mmap(-1, size)
        try:
            self._file = os.memfd_create("frames") if kind == "ram" else self._file_in(folder, size)
            os.ftruncate(self._file, size)
            if sys.platform == "linux":
                self.path = f"/proc/{os.getpid()}/fd/{self._file}"
            return mmap.mmap(self._file, size)
        except OSError as problem:
            raise OutputError(
                f"{size / 1e9:.1f} GB of decoded frames do not fit into {str(folder)!r}: {problem.strerror}",
                "use --cache none, or another -o",
            ) from problem

    def _file_in(self, folder: Path | None, size: int) -> int:
        """Return a file in `folder` without a name, so that the system deletes it when the processes end."""
        assert folder is not None
        path = folder / f".frames-{os.getpid()}-{self.channels}"  # pictures and masks of a run lie side by side
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        path.unlink()
        os.posix_fallocate(file, 0, size)  # a full disk is met now, not as a crash in a worker
        return file

    def attach(self, other: tuple[str, int]) -> None:
        """Use the pictures of an equal cache in another process of this machine. other: its property `shared`.

        Raises OSError if that process does not permit it.
        """
        path, count = other
        file = os.open(path, os.O_RDWR)
        self.close()
        self._file, self.path, self.count = file, path, count
        self.buffer = mmap.mmap(file, count * self.slot)

    @property
    def shared(self) -> tuple[str, int]:
        """The argument for `attach`: the path of the file ("" = it cannot be shared), and the number of slots."""
        return self.path, self.count

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"buffer": None, "_file": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.path:
            self.attach(self.shared)

    def get(self, number: int, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Return picture `number`, after decoding it if it is not in the cache. Exceptions of `decode` propagate."""
        if self.buffer is None or number >= self.count:
            return self._fit(decode())
        start = number * self.slot
        height, width = np.frombuffer(self.buffer, np.int32, 2, start)
        if not height:
            picture = self._fit(decode())
            height, width = picture.shape[:2]
            end = start + HEADER + picture.nbytes
            self.buffer[start + HEADER : end] = picture.tobytes()
            self.buffer[start : start + HEADER] = np.array([height, width], np.int32).tobytes()
            return picture
        flat = np.frombuffer(self.buffer, np.uint8, height * width * self.channels, start + HEADER)
        return flat.reshape(height, width, self.channels)

    def _fit(self, picture: np.ndarray) -> np.ndarray:
        height, width = fitted(picture, self.side)
        if picture.ndim == 2:
            picture = picture[:, :, None]
        if (height, width) == picture.shape[:2]:
            return np.ascontiguousarray(picture)
        interpolation = cv2.INTER_AREA if self.channels == 3 else cv2.INTER_NEAREST  # masks have one channel
        return cv2.resize(picture, (width, height), interpolation=interpolation).reshape(height, width, self.channels)

    def close(self) -> None:
        """Release the memory or the file."""
        if self.buffer is not None:
            with contextlib.suppress(BufferError):  # raised while a picture is in use; it is released with that picture
                self.buffer.close()
            self.buffer = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _free_memory() -> int:
    """Return the free memory in bytes, or 4 GiB if the system does not tell it."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 4 << 30
