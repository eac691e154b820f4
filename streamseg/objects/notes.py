"""What a session records about how its objects were found, and the notes of a run about what users may not expect."""

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
class Noted:
    """Of all scenes of a session.

    follow: whether a frame followed the one before it, as a video's do. camera: what the recording's is taken for where
    it is not known and depth is of use. supports: indices of the keyframes with depth, by what they showed: a "bin" or
    shelf that things lie in, a "plane" that they stand on, or "none" of both.
    """

    follow: bool = False
    camera: Intrinsics | None = None
    supports: dict[str, array[int]] = field(default_factory=lambda: {kind: array("q") for kind in KINDS})

    def see(self, frame: Frame, support: SupportPlane | None) -> None:
        """A keyframe, and what was found in its depth."""
        if frame.depth is None:
            return
        self.supports["none" if support is None else "bin" if support.hollow else "plane"].append(frame.index)
        if support is not None and frame.intrinsics is None:
            self.camera = guessed_camera(frame.rgb.shape)

    @property
    def of_depth(self) -> str:
        """A note; "" where depth helped as it should, or there was none."""
        if not any(self.supports.values()):
            return ""
        if self.supports["bin"] or self.supports["plane"]:
            return "" if self.camera is None else UNKNOWN
        return (
            "depth did not help to find objects: no table, floor or bin was found in it (few readings, or none in view)"
        )
