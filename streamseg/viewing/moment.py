"""One frame as a page shows it: colour, depth, masks and their figures, each encoded once, when it is requested."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from streamseg.frame import Frame
from streamseg.masks.encoding import jpeg
from streamseg.masks.properties import measure
from streamseg.text import to_json

LONGEST_SIDE = 1280
"""The most pixels of the longer side of an image that is sent: a window does not show more."""
QUALITY = 85
"""JPEG quality, 0 ... 100."""
STEP = 0.5
"""Metres. The range of depth that the colours show is a multiple of it, so that it does not change with each frame."""

Labels = Callable[[], np.ndarray]


class Moment:
    """One frame and its masks. The first request encodes a part, further requests get the same bytes. Thread-safe.

    masks: functions that return the (H, W) uint8 ids, by kind of masks. about: further entries of the JSON text.
    scores: {kind of masks: {id: score}}. size: (W, H) of the encoded images.
    """

    def __init__(
        self,
        frame: Frame,
        masks: Mapping[str, Labels],
        about: Mapping[str, Any],
        scores: Mapping[str, Mapping[int, float]] | None = None,
    ) -> None:
        self.frame, self.masks, self.about, self.scores = frame, masks, about, scores or {}
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        height, width = frame.rgb.shape[:2]
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        self.size = max(1, round(width * scale)), max(1, round(height * scale))

    def packed(self, kinds: tuple[str, ...], depth: bool, figures: bool = True) -> bytes:
        """Return the bytes that `wire.js` reads: the length of a JSON text (4 bytes, big-endian), the text, and the
        images that it lists: colour (JPEG), depth (JPEG), masks (ids row by row, deflated).

        kinds: of masks. depth: send the depth, if there is any. figures: measure the ids, which takes three times as
        long as everything else.
        """
        pictures = {"colour": self._get("colour")}
        if depth and self.frame.load_depth:
            pictures["depth"] = self._get("depth")
        pictures |= {kind: self._get(f"mask {kind}") for kind in kinds}
        pictures = {name: data for name, data in pictures.items() if data}
        height, width = self.frame.rgb.shape[:2]
        head = {
            "name": self.frame.name,
            "index": self.frame.index,
            "timestamp": self.frame.timestamp,
            "width": width,
            "height": height,
            "units": self._units(),
            "depth": self._get("range") if "depth" in pictures else None,
            "no_depth": self.frame.depth_problem,
            "shown": self.size,
            "segments": {kind: self._get(f"segments {kind}") for kind in kinds} if figures else {},
            "pictures": [[name, len(data)] for name, data in pictures.items()],
            **self.about,
        }
        text = to_json(head)
        return b"".join((struct.pack(">I", len(text)), text, *pictures.values()))

    def labels(self, kind: str) -> np.ndarray:
        """Return the (H, W) uint8 ids of one kind of masks."""
        ids: np.ndarray = self._get(f"labels {kind}")
        return ids

    def _get(self, part: str) -> Any:
        with self._lock:
            return self._make(part)

    def _make(self, part: str) -> Any:
        """Return a part of the frame, and make it the first time: "NAME" by _make_NAME(), "NAME KIND" by
        _make_NAME(kind of masks)."""
        if part not in self._made:
            name, _, kind = part.partition(" ")
            self._made[part] = getattr(self, f"_make_{name}")(*([kind] if kind else []))
        return self._made[part]

    def _make_colour(self) -> bytes:
        return jpeg(self._shrunk(self.frame.rgb, cv2.INTER_AREA), QUALITY)

    def _make_range(self) -> tuple[float, float] | None:
        """Return the range of depth that the colours show; None without depth."""
        depth = self.frame.depth
        readings = None if depth is None else depth[::4, ::4][depth[::4, ::4] > 0]
        if readings is None or not len(readings):
            return None
        low, high = np.percentile(readings, (2, 98))
        step = STEP if self.frame.depth_is_metric else 10.0 ** np.floor(np.log10(max(high, 1e-9)) - 1)
        near = float(np.floor(low / step) * step)
        return near, max(near + step, float(np.ceil(high / step) * step))

    def _make_depth(self) -> bytes:
        limits, depth = self._make("range"), self.frame.depth
        if limits is None or depth is None:
            return b""
        near, far = limits
        level = np.clip((depth - near) / (far - near), 0, 1)
        picture = cv2.applyColorMap((255 * (1 - level)).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1].copy()
        picture[~(depth > 0)] = 0
        return jpeg(self._shrunk(picture, cv2.INTER_NEAREST), QUALITY)

    def _make_labels(self, kind: str) -> np.ndarray:
        return self.masks[kind]()

    def _make_mask(self, kind: str) -> bytes:
        compressor = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)  # takes a quarter of the time of a PNG
        ids = self._shrunk(self._make(f"labels {kind}"), cv2.INTER_NEAREST)
        return compressor.compress(ids.data) + compressor.flush()

    def _make_segments(self, kind: str) -> list[dict[str, Any]]:
        labels, scores = self._make(f"labels {kind}"), self.scores.get(kind)
        segments = measure(labels, self.frame.depth, self.frame.intrinsics, scores)
        return [asdict(segment) for segment in segments]

    def _units(self) -> str:
        if self.frame.load_depth is None:
            return ""
        return "m" if self.frame.depth_is_metric else "unknown"

    def _shrunk(self, picture: np.ndarray, interpolation: int) -> np.ndarray:
        if self.size == picture.shape[1::-1]:
            return np.ascontiguousarray(picture)
        return cv2.resize(picture, self.size, interpolation=interpolation)
