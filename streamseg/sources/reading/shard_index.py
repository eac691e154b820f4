"""The index of packed recordings: the shard and the offset of each frame, in arrays that are mapped into memory.

    FOLDER/shard-000000.tar ...   WebDataset: RECORDING/NNNNNN.jpg, .mask.png, .depth.png, .json, in order of the frames
    FOLDER/frames.npy             a FRAME for each frame, recording by recording
    FOLDER/recordings.npy         a RECORDING for each recording
    FOLDER/names.bin              names and sources of the recordings, in UTF-8 without separators

The index of 1.5 million frames has 130 MB, of which only the parts that are used are read. FOLDER may be a URL: the
index is then downloaded into the cache, and frames are read from the URL.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tokenize import TokenError  # numpy reads the header of an array as Python

import numpy as np

from streamseg import cache
from streamseg.errors import SourceError
from streamseg.files import written
from streamseg.text import without_secrets
from streamseg.urls import as_source_errors, is_store, open_store_at

FRAME = np.dtype(
    [
        ("rgb_at", "<u8"),
        ("rgb_size", "<u4"),
        ("mask_at", "<u8"),
        ("mask_size", "<u4"),
        ("depth_at", "<u8"),
        ("depth_size", "<u4"),
        ("shard", "<u4"),
        ("time", "<f8"),
        ("camera", "<f4", 4),
        ("depth_units", "<f4"),
        ("metric", "?"),
    ]
)
"""A frame. at, size: offset and length [bytes] of a file in the shard; size 0 = the frame has no such file. shard: its
number. time: [s]. camera: fx, fy, cx, cy in pixels of the stored frame; fx 0 = unknown. depth_units: stored units per
metre, or per unit of the reconstruction if depth is not `metric`."""
RECORDING = np.dtype(
    [("first", "<u8"), ("frames", "<u4"), ("name_at", "<u8"), ("name", "<u4"), ("source", "<u4"), ("fps", "<f4")]
)
"""A recording. first: index of its first frame in frames.npy. frames: how many it has. name_at: offset in names.bin of
its name, which has `name` bytes and is followed by its source, which has `source` bytes."""
FRAMES, RECORDINGS, NAMES = "frames.npy", "recordings.npy", "names.bin"
VERSION = ("size", "ETag", "etag", "LastModified", "mtime", "created")
"""Properties of a file in a store that change when the file does."""


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """folder: the path or URL of the shards. frames: (N,) FRAME. recordings: (R,) RECORDING. names: (B,) uint8."""

    folder: str
    frames: np.ndarray
    recordings: np.ndarray
    names: np.ndarray

    def __len__(self) -> int:
        return len(self.recordings)

    def name(self, number: int) -> str:
        """Return the name of a recording."""
        row = self.recordings[number]
        return self._text(int(row["name_at"]), int(row["name"]))

    def source(self, number: int) -> str:
        """Return the uri that a recording was packed from."""
        row = self.recordings[number]
        return self._text(int(row["name_at"]) + int(row["name"]), int(row["source"]))

    def number(self, name: str) -> int | None:
        """Return the number of the recording called `name`; None if there is none."""
        return next((number for number in range(len(self)) if self.name(number) == name), None)

    def _text(self, offset: int, size: int) -> str:
        return bytes(self.names[offset : offset + size]).decode("utf-8", errors="surrogateescape")


def shard_name(number: int) -> str:
    """Return the name of the file of shard `number`."""
    return f"shard-{number:06d}.tar"


def is_packed(folder: str) -> bool:
    """Return whether a folder has an index."""
    return os.path.isfile(os.path.join(folder, FRAMES)) and os.path.isfile(os.path.join(folder, RECORDINGS))


def open_index(folder: str | Path) -> ShardIndex:
    """Open the index of `folder`, a path or a URL. Raises SourceError if it is missing or damaged."""
    location = str(folder)
    try:
        if is_store(location):
            shards = location.rstrip("/")
            local = _download(shards)
        else:
            local = Path(os.path.abspath(location))
            shards = str(local)
        changed = tuple((local / name).stat().st_mtime_ns for name in (FRAMES, RECORDINGS, NAMES))
        return _open(shards, local, changed)
    except (OSError, ValueError, EOFError, TokenError) as problem:
        message = f"the index in {without_secrets(location)!r} cannot be read: {problem}"
        raise SourceError(message, "pack the recordings again") from None


def _download(url: str) -> Path:
    """Return a folder of the cache with the current version of the index at `url`."""
    with as_source_errors(url):
        system, root = open_store_at(url)
        infos = [system.info(f"{root}/{name}") for name in (FRAMES, RECORDINGS, NAMES)]
        key = repr((url, [[str(info.get(name)) for name in VERSION] for info in infos]))
        folder = cache.root() / "shards" / hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32]
        folder.mkdir(parents=True, exist_ok=True)
        for name in (FRAMES, RECORDINGS, NAMES):
            if not (folder / name).is_file():
                with written(folder / name, shared=True) as temporary:
                    system.get_file(f"{root}/{name}", str(temporary))
    cache.trim(folder.parent, Path(FRAMES).suffix)
    return folder


@lru_cache(maxsize=4)
def _open(shards: str, folder: Path, _changed: tuple[int, ...]) -> ShardIndex:
    """Map the index in `folder`. _changed: times of its files, so that a changed index is mapped again. Raises
    ValueError if it is damaged."""
    frames, recordings = (np.load(folder / name, mmap_mode="r") for name in (FRAMES, RECORDINGS))
    names = np.memmap(folder / NAMES, np.uint8, "r")
    if not (isinstance(frames, np.ndarray) and isinstance(recordings, np.ndarray)):  # an .npz archive
        raise ValueError("it holds no table")
    if frames.dtype != FRAME or recordings.dtype != RECORDING:
        raise ValueError("it is of another version")
    if len(recordings) and int(recordings["first"][-1]) + int(recordings["frames"][-1]) != len(frames):
        raise ValueError("its parts do not belong together")
    return ShardIndex(shards, frames, recordings, names)
