"""Writes a tar shard in WebDataset's layout, and the rows of its index."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamseg.errors import FrameError, StreamsegError
from streamseg.frame import Frame
from streamseg.sources import Recording, open_source
from streamseg.sources.reading.shard_index import FRAME
from streamseg.text import to_json

BLOCK = 512
"""Bytes of a block of tar, which pads every file to whole blocks."""
MILLIMETRES, FARTHEST = 1000.0, 65.0
"""Depth units per metre, and the largest depth in metres that 16 bits can store in these units."""


@dataclass(frozen=True)
class PackOptions:
    """How frames are packed. side: largest shorter side in pixels. jpeg_quality: 1 ... 100. every: every n-th frame."""

    side: int = 448
    jpeg_quality: int = 95
    every: int = 1


@dataclass(frozen=True)
class Packed:
    """The index of a shard. frames: (N,) FRAME. recordings: {"name", "source", "frames", "fps"} each. left_out: {name:
    reason}."""

    frames: np.ndarray
    recordings: list[dict[str, Any]]
    left_out: dict[str, str]


def pack_shard(group: Sequence[tuple[str, str]], path: Path, number: int, options: PackOptions) -> Packed:
    """Write the recordings of `group`, (name, uri) each, to the tar file `path`, which is shard `number`. Return its
    index. A recording that cannot be read is left out."""
    rows: list[np.ndarray] = []
    recordings: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, uri in group:
            try:
                with open_source(uri) as source:
                    if not isinstance(source, Recording):
                        raise StreamsegError("it is live", "record it first")
                    before = len(rows)
                    for index in source.coming(options.every):
                        with suppress(FrameError):  # skip a frame that cannot be decoded
                            rows.append(_pack_frame(tar, source[index], name, len(rows) - before, number, options))
                    fps = source.fps / options.every
            except StreamsegError as problem:
                left_out[name] = problem.message
                continue
            if len(rows) == before:
                left_out[name] = "none of its frames can be read"
            else:
                recordings.append({"name": name, "source": uri, "frames": len(rows) - before, "fps": fps})
    return Packed(np.stack(rows) if rows else np.zeros(0, FRAME), recordings, left_out)


def _pack_frame(
    tar: tarfile.TarFile, frame: Frame, name: str, place: int, shard: int, options: PackOptions
) -> np.ndarray:
    """Add the files of a frame, and return its row of the index. Raises FrameError before anything is written.

    place: number of the frame among the packed frames of its recording.
    """
    size = _shrunk_size(frame.rgb.shape[:2], options.side)
    mask = None if frame.load_annotation is None else _resize_nearest(frame.load_annotation().astype(np.uint8), size)
    depth = None if frame.depth is None else _resize_nearest(frame.depth, size)
    units = _units(depth, frame.depth_is_metric)
    small = (
        frame.rgb if size == frame.rgb.shape[:2] else cv2.resize(frame.rgb, size[::-1], interpolation=cv2.INTER_AREA)
    )
    row = np.zeros((), FRAME)
    key = f"{name}/{place:06d}"
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    row["rgb_at"], row["rgb_size"] = _add(tar, f"{key}.jpg", _encode(".jpg", bgr, options.jpeg_quality))
    if mask is not None:
        row["mask_at"], row["mask_size"] = _add(tar, f"{key}.mask.png", _encode(".png", mask))
    if depth is not None:
        stored = np.rint(depth * units).clip(0, 65535).astype(np.uint16)
        row["depth_at"], row["depth_size"] = _add(tar, f"{key}.depth.png", _encode(".png", stored))
    camera = None
    if frame.intrinsics is not None:
        y, x = (new / old for new, old in zip(size, frame.rgb.shape[:2], strict=True))
        fx, fy, cx, cy = asdict(frame.intrinsics).values()
        camera = (fx * x, fy * y, (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5)
        row["camera"] = camera
    row["shard"], row["time"], row["depth_units"], row["metric"] = shard, frame.timestamp, units, frame.depth_is_metric
    facts = {"frame": frame.name, "timestamp": frame.timestamp, "intrinsics": camera, "depth_units": units}
    _add(tar, f"{key}.json", to_json(facts | {"depth_is_metric": frame.depth_is_metric}))
    return row


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> tuple[int, int]:
    """Add a file. Return the offset of its content in the tar file and its length, in bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
    return tar.offset - -(-len(content) // BLOCK) * BLOCK, len(content)


def _encode(suffix: str, picture: np.ndarray, quality: int = 0) -> bytes:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality] if quality else []
    return cv2.imencode(suffix, picture, parameters)[1].tobytes()


def _shrunk_size(size: tuple[int, ...], side: int) -> tuple[int, int]:
    height, width = size
    scale = min(1.0, side / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _resize_nearest(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return picture if picture.shape == size else cv2.resize(picture, size[::-1], interpolation=cv2.INTER_NEAREST)


def _units(depth: np.ndarray | None, metric: bool) -> float:
    """Return the depth units per metre: millimetres if they fit into 16 bits, else units that use most of the 16
    bits."""
    farthest = 0.0 if depth is None else float(depth.max())
    return MILLIMETRES if not farthest or (metric and farthest < FARTHEST) else 60000.0 / farthest
