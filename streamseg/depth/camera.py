"""A default camera for depth images whose intrinsics are unknown.

Depth that is back-projected with wrong intrinsics differs from the true points by a linear map. Under a linear map,
planes stay planes, what lies above a plane stays above it, and edges stay convex or concave, so objects are found
anyway. Sizes and angles are wrong and are never reported; depth itself is measured and is reported.
"""

from __future__ import annotations

from streamseg.frame import Intrinsics

FOCAL = 0.9
"""Focal length as a share of the longer side. Depth cameras lie between 0.8 (Kinect) and 1.0."""


def guessed_camera(shape: tuple[int, ...]) -> Intrinsics:
    """Return typical intrinsics for an image of shape (H, W, ...), with the principal point in its middle."""
    height, width = shape[:2]
    focal = FOCAL * max(height, width)
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2)
