"""Packed recordings: a folder or URL of tar shards that `streamseg data pack` wrote; PATH#NAME is one of its recordings

Frames are read one by one from where they lie in their tar file. Nothing is unpacked, of shards at a URL nothing is
fetched but the frames themselves, and nothing is kept open but the files.
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
from streamseg.text import some
from streamseg.urls import explained, is_store, open_store_at

PRIORITY = 15


def recognizes(uri: str) -> bool:
    return is_packed(split_part(uri)[0])


def expand(uri: str) -> list[str]:
    """Its recordings."""
    path, name = split_part(uri)
    index = open_index(path)
    return [uri] if name else [f"{path}#{index.name(number)}" for number in range(len(index))]


def open(uri: str, options: Options) -> Recording:
    path, name = split_part(uri)
    index = open_index(path)
    number = index.number(name) if name else 0 if len(index) == 1 else None
    if number is None:
        names = [index.name(one) for one in range(len(index))]
        what = f"no recording {name!r}" if name else f"{len(index)} recordings"
        raise SourceError(
            f"{path!r} holds {what}; there are {some(names)}", f"give one of them, e.g. {path}#{names[0]}"
        )
    recording = ShardRecording(index, number, options)
    if options.depth_scale is not None:
        recording.notes = ("--depth-scale is not used: shards say how their depth is stored",)
    return recording


def open_all(path: str) -> list[Recording]:
    """Every recording of the folder `path`, in order. Raises SourceError."""
    index = open_index(path)
    return [ShardRecording(index, number, Options()) for number in range(len(index))]


class ShardRecording(Recording):
    """Recording `number` of an index; as small as can be, for there are many."""

    kind = "shards"

    def __init__(self, index: ShardIndex, number: int, options: Options) -> None:
        self.index, self.number, self.options = index, number, options
        self.first, self.count = (int(index.recordings[number][field]) for field in ("first", "frames"))
        self.fps = float(index.recordings[number]["fps"])

    @property
    def uri(self) -> str:  # type: ignore[override]
        """Made when asked for."""
        return f"{self.index.folder}#{self.index.name(self.number)}"

    @property
    def shard(self) -> tuple[str, int]:
        """The folder, and the number of the shard that the whole recording lies in."""
        return self.index.folder, int(self.index.frames[self.first]["shard"])

    def __reduce__(self) -> tuple:
        return _reopened, (self.index.folder, self.number, self.options)

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
        bgr = _decoded(path, row, "rgb", cv2.IMREAD_COLOR)
        fx, fy, cx, cy = map(float, row["camera"])
        depth = partial(_depth, path, row) if row["depth_size"] else None
        return Frame(
            index=index,
            name=name,
            timestamp=float(row["time"]),
            rgb=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
            intrinsics=self.options.intrinsics or (Intrinsics(fx, fy, cx, cy) if fx else None),
            load_depth=self.options.aligned(depth),
            load_annotation=partial(_decoded, path, row, "mask", cv2.IMREAD_UNCHANGED) if row["mask_size"] else None,
            depth_problem="" if depth else "recording has no depth",
            depth_is_metric=bool(row["metric"]),
        )


def _reopened(folder: str, number: int, options: Options) -> ShardRecording:
    return ShardRecording(open_index(folder), number, options)


def _depth(path: str, row: np.void) -> np.ndarray:
    """(H, W) float32 [m], 0 = no reading."""
    stored = _decoded(path, row, "depth", cv2.IMREAD_UNCHANGED)
    return stored.astype(np.float32) / np.float32(row["depth_units"])


def _decoded(path: str, row: np.void, part: str, how: int) -> np.ndarray:
    """A picture of a frame. Raises FrameError."""
    at, size = int(row[f"{part}_at"]), int(row[f"{part}_size"])
    try:
        content = _file(path, os.getpid() if is_store(path) else 0).read(size, at)
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), how) if len(content) == size else None
    except (OSError, SourceError, cv2.error) as problem:
        raise FrameError(f"shard cannot be read: {problem}") from None
    if picture is None:
        raise FrameError("shard is cut or damaged")
    return picture


@lru_cache(maxsize=64)
def _file(path: str, _process: int) -> _File | _Object:
    """An open shard; reading at a place moves nothing, so that threads and forked workers may share a file. What talks
    to a store does not survive a fork: each process has its own."""
    return _Object(path) if is_store(path) else _File(path)


class _Object:
    """A shard in a store, of which ranges of bytes are fetched."""

    def __init__(self, url: str) -> None:
        self.url = url
        with explained(url):
            self.system, self.path = open_store_at(url)

    def read(self, size: int, at: int) -> bytes:
        with explained(self.url):
            return bytes(self.system.cat_file(self.path, start=at, end=at + size))


class _File:
    """A descriptor that is closed with its last user."""

    number = -1

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def read(self, size: int, at: int) -> bytes:
        return os.pread(self.number, size, at)

    def __del__(self) -> None:
        if self.number >= 0:  # it could be opened
            os.close(self.number)
