"""ply/: a coloured point cloud [m] for each id and frame, and fused ones where the recording has poses.

frames/NAME-ID.ply are in the camera frame (x right, y down, z forward). fused/ID.ply contain all views of an id, in the
world frame. Both need metric depth and intrinsics; frames without them are left out, and a note says why.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from streamseg.files import UniqueNames, written
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.cloud import FusedCloud, ply, points_of
from streamseg.sources.reading.cameras import UNKNOWN
from streamseg.text.asking import log_line

OUTPUT = "ply"
ONE_KIND = True
NO_CAMERA = "the camera's intrinsics are unknown"
MARGIN = 2
"""Pixels along the outline of a mask that fused clouds leave out."""


def open(folder: Path, run: Run) -> Clouds:
    """Write below `folder`/ply."""
    return Clouds(folder, run)


class Clouds(Sink):
    """Writes the clouds of each frame at once, and the fused clouds at the end."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder, self.run = folder, run
        self.names = UniqueNames()
        self.fused: dict[int, FusedCloud] = {}
        self.missing: dict[str, int] = {}

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        name, labels = self.names(frame.name), segmentation.mask(self.run.masks)
        depth, camera = frame.depth, frame.intrinsics
        reason = _why_unusable(frame)
        if depth is None or camera is None or reason:
            self.missing[reason] = self.missing.get(reason, 0) + 1
            return
        for i in (i for i in np.unique(labels).tolist() if 0 < i < VOID):
            points, colours = points_of(labels == i, depth, frame.rgb, camera)
            if len(points):
                self._save(f"frames/{name}-{i}", ply(points, colours, i))
            if frame.pose is not None:
                points, colours = points_of(_without_margin(labels == i), depth, frame.rgb, camera)
                if len(points):
                    self.fused.setdefault(i, FusedCloud()).add(points, colours, frame.pose)

    def close(self) -> None:
        fused, self.fused = self.fused, {}
        for i, cloud in sorted(fused.items()):
            self._save(f"fused/{i}", ply(*cloud.mean, i))
        for reason, count in self.missing.items():
            self.run.log(log_line(f"ply has no clouds of {count} frames: {reason}"))
        if NO_CAMERA in self.missing:
            self.run.log(UNKNOWN)

    def _save(self, name: str, content: bytes) -> None:
        with written(self.run.new_file(self.folder, f"{OUTPUT}/{name}.ply")) as temporary:
            temporary.write_bytes(content)


def _without_margin(mask: np.ndarray) -> np.ndarray:
    """Shrink an (H, W) bool mask by MARGIN: at its outline the depth is often that of the background."""
    return cv2.erode(mask.view(np.uint8), np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)).view(bool)


def _why_unusable(frame: Frame) -> str:
    """Return why a frame has no points in space; "" if it has."""
    if frame.depth is None:
        return frame.depth_problem or "they have no depth"
    if not frame.depth_is_metric:
        return "their depth is not in metres"
    return "" if frame.intrinsics else NO_CAMERA
