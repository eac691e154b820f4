"""A camera for depth whose own is not known: any pinhole keeps planes plane, so that one of the usual kind will do.

Depth seen through a wrong pinhole is a linear map of space: planes stay planes, what lies above them stays above, and
edges stay convex or concave. Only sizes and angles are wrong, and they are never told to people;
depth itself is measured and is told.
"""

from __future__ import annotations

from streamseg.frame import Intrinsics

FOCAL = 0.9
"""Focal length as a share of the longer side: depth cameras lie between 0.8 (Kinect) and 1.0."""


def guessed_camera(shape: tuple[int, ...]) -> Intrinsics:
    """Of pictures of (H, W): a pinhole of the usual focal length, its centre in the middle."""
    height, width = shape[:2]
    focal = FOCAL * max(height, width)
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2)
