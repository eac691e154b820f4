"""Records how the objects of a session were found, and writes the notes of a run about what users may not expect."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from streamseg.depth.camera import guessed_camera
from streamseg.depth.support import SupportPlane
from streamseg.frame import Frame, Intrinsics
from streamseg.sources.reading.cameras import UNKNOWN

PHOTOGRAPHS = "the frames are photographs, not a video: objects are drawn as finely as with --quality high"
KINDS = ("bin", "plane", "none")


@dataclass
class ObjectsRecord:
    """The record of all scenes of a session.

    is_video: whether any frame follows the one before it, as in a video. camera: the guessed camera intrinsics, if the
    recording gives none and they were used; else None. supports: indices of the keyframes with depth, by what was found
    in it: a "bin" or shelf that objects lie in, a "plane" that they stand on, or "none" of both.
    """

    is_video: bool = False
    camera: Intrinsics | None = None
    supports: dict[str, array[int]] = field(default_factory=lambda: {kind: array("q") for kind in KINDS})

    def add(self, frame: Frame, support: SupportPlane | None) -> None:
        """Record a keyframe. support: what was found in its depth, or None."""
        if frame.depth is None:
            return
        if support is None:
            self.supports["none"].append(frame.index)
            return
        self.supports["bin" if support.is_bin else "plane"].append(frame.index)
        if frame.intrinsics is None:
            self.camera = guessed_camera(frame.rgb.shape)

    @property
    def depth_note(self) -> str:
        """A note about depth; "" if depth helped and the camera was known, or if there was no depth."""
        if not any(self.supports.values()):
            return ""
        if self.supports["bin"] or self.supports["plane"]:
            return "" if self.camera is None else UNKNOWN
        return (
            "depth did not help to find objects: no table, floor or bin was found in it (few readings, or none in view)"
        )
