"""Decoded frames, kept where every process of a machine sees them: decoding is done once a run, not once an epoch.

All frames share one file of equal slots that has no name: in memory ("ram"; it grows as slots are filled) or beside
the results ("disk"). Data workers and the other devices of the machine open it through the process that made it,
however they were started, and it goes with the last of them. Two processes may decode the same frame at the same time;
they write the same bytes, and a slot counts only when its size is written, which is last.
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
"""Slots hold pictures of up to this aspect at full size; longer ones are made a little smaller."""
HEADER = 8


def fitted(rgb: np.ndarray, side: int) -> tuple[int, int]:
    """(H, W) that a picture gets: its shorter side at most `side`, and no more than ASPECT * side^2 pixels."""
    height, width = rgb.shape[:2]
    scale = min(1.0, side / min(height, width), (ASPECT * side * side / (height * width)) ** 0.5)
    return max(1, int(height * scale)), max(1, int(width * scale))


class FrameCache:
    """`count` pictures (H, W, channels) uint8, shorter side at most `side` pixels. Picklable: a copy in another process
    of the machine sees the same pictures."""

    def __init__(self, kind: str, count: int, side: int, channels: int = 3, folder: Path | None = None) -> None:
        self.side, self.channels = side, channels
        self.slot = HEADER + int(ASPECT * side * side) * channels
        self.count = count if kind != "none" else 0
        if kind == "ram":
            self.count = min(count, int(_memory() / 2 // self.slot))
        self._file = -1
        self.place = ""
        self.buffer = self._made(kind, folder) if self.count else None

    def _made(self, kind: str, folder: Path | None) -> mmap.mmap:
        size = self.count * self.slot
        if kind == "ram" and not hasattr(os, "memfd_create"):  # not Linux: workers inherit it by fork, or decode anew
            return mmap.mmap(-1, size)
        try:
            self._file = os.memfd_create("frames") if kind == "ram" else self._beside(folder, size)
            os.ftruncate(self._file, size)
            if sys.platform == "linux":
                self.place = f"/proc/{os.getpid()}/fd/{self._file}"
            return mmap.mmap(self._file, size)
        except OSError as problem:
            raise OutputError(
                f"{size / 1e9:.1f} GB of decoded frames do not fit into {str(folder)!r}: {problem.strerror}",
                "use --cache none, or another -o",
            ) from problem

    def _beside(self, folder: Path | None, size: int) -> int:
        """A file in `folder`, which has no name any more: it goes with the processes, however they end."""
        assert folder is not None
        path = folder / f".frames-{os.getpid()}-{self.channels}"  # pictures and masks of a run lie side by side
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        path.unlink()
        os.posix_fallocate(file, 0, size)  # a full disk is met now, not as a crash in a worker
        return file

    def attach(self, other: tuple[str, int]) -> None:
        """Use the pictures of a cache in another process of this machine, whose `shared` this is; its slots are equal.

        Raises OSError where that process does not let it.
        """
        place, count = other
        file = os.open(place, os.O_RDWR)
        self.close()
        self._file, self.place, self.count = file, place, count
        self.buffer = mmap.mmap(file, count * self.slot)

    @property
    def shared(self) -> tuple[str, int]:
        """For `attach`: where it is, "" = nowhere, and how many pictures it takes."""
        return self.place, self.count

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"buffer": None, "_file": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.place:
            self.attach(self.shared)

    def get(self, number: int, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Picture `number`, decoded and made to fit if it is not here yet. What `decode` raises passes through."""
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
        how = cv2.INTER_AREA if self.channels == 3 else cv2.INTER_NEAREST
        return cv2.resize(picture, (width, height), interpolation=how).reshape(height, width, self.channels)

    def close(self) -> None:
        """Give memory or file back."""
        if self.buffer is not None:
            with contextlib.suppress(BufferError):  # a picture is still looked at; its memory goes with it
                self.buffer.close()
            self.buffer = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _memory() -> int:
    """Bytes of free memory; a guess of 4 GB where the system does not say."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 4 << 30
