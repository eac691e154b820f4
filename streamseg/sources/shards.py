"""Packed recordings: a folder or URL of tar shards that `streamseg data pack` wrote; PATH#NAME is one of its recordings

Each frame is read from its position in its tar file; nothing is unpacked. From shards at a URL, only the bytes of the
frames are fetched.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial

import cv2
import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Frame, Intrinsics
from streamseg.sources import Options, Recording, split_part
from streamseg.sources.reading.shard_index import ShardIndex, is_packed, open_index, shard_name
from streamseg.text import first_few
from streamseg.urls import as_source_errors, is_store, open_store_at

PRIORITY = 15


def recognizes(uri: str) -> bool:
    return is_packed(split_part(uri)[0])


def expand(uri: str) -> list[str]:
    """Return the uris of the packed recordings, or `uri` itself if it names one."""
    path, name = split_part(uri)
    index = open_index(path)
    return [uri] if name else [f"{path}#{index.name(number)}" for number in range(len(index))]


def open(uri: str, options: Options) -> Recording:
    path, name = split_part(uri)
    index = open_index(path)
    number = index.number(name) if name else None
    if not name and len(index) == 1:
        number = 0
    if number is None:
        names = [index.name(i) for i in range(len(index))]
        what = f"no recording {name!r}" if name else f"{len(index)} recordings"
        raise SourceError(
            f"{path!r} holds {what}; there are {first_few(names)}", f"give one of them, e.g. {path}#{names[0]}"
        )
    recording = ShardRecording(index, number, options)
    if options.depth_scale is not None:
        recording.notes = ("--depth-scale is not used: shards say how their depth is stored",)
    return recording


def open_all(path: str) -> list[Recording]:
    """Return every recording of the shards at `path`, in their order. Raises SourceError."""
    index = open_index(path)
    return [ShardRecording(index, number, Options()) for number in range(len(index))]


class ShardRecording(Recording):
    """Recording `number` of an index. It needs little memory, because an index may have thousands."""

    kind = "shards"

    def __init__(self, index: ShardIndex, number: int, options: Options) -> None:
        self.index, self.number, self.options = index, number, options
        self.first, self.count = (int(index.recordings[number][field]) for field in ("first", "frames"))
        self.fps = float(index.recordings[number]["fps"])

    @property
    def uri(self) -> str:  # type: ignore[override]
        """PATH#NAME; built on each access to save memory."""
        return f"{self.index.folder}#{self.index.name(self.number)}"

    @property
    def shard(self) -> tuple[str, int]:
        """The folder, and the number of the only shard that has the frames of the recording."""
        return self.index.folder, int(self.index.frames[self.first]["shard"])

    def __reduce__(self) -> tuple:
        return _unpickle, (self.index.folder, self.number, self.options)

    def __len__(self) -> int:
        return self.count

    def name_of(self, index: int) -> str:
        if not 0 <= index < self.count:
            raise IndexError(f"frame {index} of {self.count}")
        return f"{index:06d}"

    def __getitem__(self, index: int) -> Frame:
        name = self.name_of(index)
        row = self.index.frames[self.first + index]
        path = f"{self.index.folder}/{shard_name(int(row['shard']))}"
        bgr = _decode(path, row, "rgb", cv2.IMREAD_COLOR)
        fx, fy, cx, cy = map(float, row["camera"])
        depth = partial(_read_depth, path, row) if row["depth_size"] else None
        return Frame(
            index=index,
            name=name,
            timestamp=float(row["time"]),
            rgb=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
            intrinsics=self.options.intrinsics or (Intrinsics(fx, fy, cx, cy) if fx else None),
            load_depth=self.options.aligned(depth),
            load_annotation=partial(_decode, path, row, "mask", cv2.IMREAD_UNCHANGED) if row["mask_size"] else None,
            depth_problem="" if depth else "recording has no depth",
            depth_is_metric=bool(row["metric"]),
        )


def _unpickle(folder: str, number: int, options: Options) -> ShardRecording:
    return ShardRecording(open_index(folder), number, options)


def _read_depth(path: str, row: np.void) -> np.ndarray:
    """Return (H, W) float32 depth [m, or units of the reconstruction], 0 = no reading. Raises FrameError."""
    stored = _decode(path, row, "depth", cv2.IMREAD_UNCHANGED)
    return stored.astype(np.float32) / np.float32(row["depth_units"])


def _decode(path: str, row: np.void, part: str, flags: int) -> np.ndarray:
    """Decode the "rgb", "mask" or "depth" picture of a frame. flags: of cv2.imdecode. Raises FrameError."""
    offset, size = int(row[f"{part}_at"]), int(row[f"{part}_size"])
    try:
        content = _open_shard(path, os.getpid() if is_store(path) else 0).read(size, offset)
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if len(content) == size else None
    except (OSError, SourceError, cv2.error) as problem:
        raise FrameError(f"shard cannot be read: {problem}") from None
    if picture is None:
        raise FrameError("shard is cut or damaged")
    return picture


@lru_cache(maxsize=64)
def _open_shard(path: str, _process: int) -> _LocalShard | _RemoteShard:
    """Return an open shard. Threads and forked processes share a local file, because reading at an offset has no state.
    A connection to a store does not survive a fork: each process has its own."""
    return _RemoteShard(path) if is_store(path) else _LocalShard(path)


class _RemoteShard:
    """A shard in a store, from which ranges of bytes are fetched."""

    def __init__(self, url: str) -> None:
        self.url = url
        with as_source_errors(url):
            self.system, self.path = open_store_at(url)

    def read(self, size: int, offset: int) -> bytes:
        with as_source_errors(self.url):
            return bytes(self.system.cat_file(self.path, start=offset, end=offset + size))


class _LocalShard:
    """A shard on disk. Its file is closed when nothing refers to it any more."""

    descriptor = -1  # until it is open

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self.descriptor, size, offset)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
