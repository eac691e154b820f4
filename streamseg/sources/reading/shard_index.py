"""The index of packed recordings: where in which tar file each frame lies, as arrays that are mapped, not read.

    FOLDER/shard-000000.tar ...   WebDataset: RECORDING/NNNNNN.jpg, .mask.png, .depth.png, .json, frames in order
    FOLDER/frames.npy             one FRAME a frame, all recordings one after another
    FOLDER/recordings.npy         one RECORDING a recording
    FOLDER/names.bin              the recordings' names and sources as UTF-8, one after another

A million and a half of frames are 130 MB, of which memory holds what is looked at. FOLDER may be a URL: then the index
is fetched, into the cache, and frames are read where they lie.
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
from streamseg.urls import explained, is_store, open_store_at

FRAME = np.dtype(
    [
        *(
            (f"{part}_{what}", kind)
            for part in ("rgb", "mask", "depth")
            for what, kind in (("at", "<u8"), ("size", "<u4"))
        ),
        ("shard", "<u4"),
        ("time", "<f8"),
        ("camera", "<f4", 4),
        ("depth_units", "<f4"),
        ("metric", "?"),
    ]
)
"""at: byte in the shard; size 0 = the frame has none. time [s]. camera: fx, fy, cx, cy in pixels of the stored frame;
fx 0 = unknown. depth_units: stored per metre, or per unit of what is not `metric`."""
RECORDING = np.dtype(
    [("first", "<u8"), ("frames", "<u4"), ("name_at", "<u8"), ("name", "<u4"), ("source", "<u4"), ("fps", "<f4")]
)
"""first: its first frame in frames.npy. name_at: in names.bin, the bytes of the name, then those of the source."""
FRAMES, RECORDINGS, NAMES = "frames.npy", "recordings.npy", "names.bin"
VERSION = ("size", "ETag", "etag", "LastModified", "mtime", "created")
"""What stores say of a file that changes with it."""


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """folder: a path or a URL, where the shards lie. frames: (N,) FRAME. recordings: (R,) RECORDING. names: bytes."""

    folder: str
    frames: np.ndarray
    recordings: np.ndarray
    names: np.ndarray

    def __len__(self) -> int:
        return len(self.recordings)

    def name(self, number: int) -> str:
        """Of a recording."""
        row = self.recordings[number]
        return self._text(int(row["name_at"]), int(row["name"]))

    def source(self, number: int) -> str:
        """What the recording was packed from."""
        row = self.recordings[number]
        return self._text(int(row["name_at"]) + int(row["name"]), int(row["source"]))

    def number(self, name: str) -> int | None:
        """The recording of that name, None where there is none."""
        return next((number for number in range(len(self)) if self.name(number) == name), None)

    def _text(self, at: int, size: int) -> str:
        return bytes(self.names[at : at + size]).decode("utf-8", errors="surrogateescape")


def shard_name(number: int) -> str:
    """The file of shard `number`."""
    return f"shard-{number:06d}.tar"


def is_packed(folder: str) -> bool:
    """Whether a folder holds an index."""
    return os.path.isfile(os.path.join(folder, FRAMES)) and os.path.isfile(os.path.join(folder, RECORDINGS))


def open_index(folder: str | Path) -> ShardIndex:
    """Map the index of `folder`, a path or a URL. Raises SourceError where it is absent or damaged."""
    where = str(folder)
    try:
        local = _fetched(where.rstrip("/")) if is_store(where) else Path(os.path.abspath(where))
        changed = tuple((local / name).stat().st_mtime_ns for name in (FRAMES, RECORDINGS, NAMES))
        return _opened(where.rstrip("/") if is_store(where) else str(local), local, changed)
    except (OSError, ValueError, EOFError, TokenError) as problem:
        said = f"the index in {without_secrets(where)!r} cannot be read: {problem}"
        raise SourceError(said, "pack the recordings again") from None


def _fetched(url: str) -> Path:
    """A folder of the cache with the index at `url`, as it is now."""
    with explained(url):
        system, root = open_store_at(url)
        facts = [system.info(f"{root}/{name}") for name in (FRAMES, RECORDINGS, NAMES)]
        key = repr((url, [[str(one.get(fact)) for fact in VERSION] for one in facts]))
        folder = cache.root() / "shards" / hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32]
        folder.mkdir(parents=True, exist_ok=True)
        for name in (FRAMES, RECORDINGS, NAMES):
            if not (folder / name).is_file():
                with written(folder / name, shared=True) as temporary:
                    system.get_file(f"{root}/{name}", str(temporary))
    cache.trim(folder.parent, Path(FRAMES).suffix)
    return folder


@lru_cache(maxsize=4)
def _opened(where: str, folder: Path, _changed: tuple[int, ...]) -> ShardIndex:
    frames, recordings = (np.load(folder / name, mmap_mode="r") for name in (FRAMES, RECORDINGS))
    names = np.memmap(folder / NAMES, np.uint8, "r")
    if not (isinstance(frames, np.ndarray) and isinstance(recordings, np.ndarray)):  # archives of arrays
        raise ValueError("it holds no table")
    if frames.dtype != FRAME or recordings.dtype != RECORDING:
        raise ValueError("it is of another version")
    if len(recordings) and int(recordings["first"][-1]) + int(recordings["frames"][-1]) != len(frames):
        raise ValueError("its parts do not belong together")
    return ShardIndex(where, frames, recordings, names)
