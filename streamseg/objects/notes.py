"""What a run says of how its objects were found, where that is not as the user may expect."""

from __future__ import annotations

from collections.abc import Collection

from streamseg.depth.camera import told
from streamseg.frame import Intrinsics

PHOTOGRAPHS = "objects: the frames do not follow each other, as photographs: drawn as finely as with --quality high"


def depth_note(used: Collection[bool], camera: Intrinsics | None) -> str:
    """used: of the last frames with depth, whether a table or a floor was found. camera: what the recording's is taken
    for, None where it is known. Returns "" where depth helped as it should, or there was none."""
    if not used:
        return ""
    if any(used):
        return "" if camera is None else f"intrinsics: guessed, {told(camera)}"
    return "depth did not help to find objects: no table, floor or bin was found in it (few readings, or none in view)"
