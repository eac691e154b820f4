"""What stands on a table or a floor, from depth alone: the supporting plane, and what rises above it.

What is nearer to the plane than the noise of the depth lies on it, what is above it, within its extent, stands on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.depth import planes
from streamseg.depth.contacts import find_contacts
from streamseg.depth.extent import extent
from streamseg.frame import Intrinsics

STEP = 4
"""Every so many-th row and column goes into the search."""
DENSE = 0.5
"""Share of the pixels that must have a reading: in a sieve of them nothing is connected."""
TALL = 0.6
"""Metres: what rises higher above the plane is no object."""
BREAK = 0.03
"""Neighbouring pixels of some 240 rows whose distances differ by this share belong to different objects."""


class SupportPlane(NamedTuple):
    """on, above: (H, W) bool, the plane and what stands on it; on is False of a plane that may be a wall, for flat
    objects hang there. breaks, contacts: (H, W) bool, where the distance jumps, and where the surface is concave, as
    where things touch. depth: (H, W) float32 metres. noise: of 1 / depth, in 1/m, averaged over 3 x 3 pixels.
    places: (H, W, 3) float32 metres: to the right, forward and up from the point of the plane below the camera,
    without a meaning where there is no reading. planes, bending: what was found, for the next frame
    to follow: see `planes.supporting` and `planes.bending`.
    hollow: whether these are the walls and the floor of a container. without_bin: how many frames in a row showed
    none."""

    on: np.ndarray
    above: np.ndarray
    breaks: np.ndarray
    contacts: np.ndarray
    places: np.ndarray
    depth: np.ndarray
    noise: float
    planes: Sequence[planes.Plane] = ()
    bending: tuple[np.ndarray, float] | None = None
    hollow: bool = False
    without_bin: int = 0


def find_support(
    depth: np.ndarray, camera: Intrinsics, seed: int = 0, before: SupportPlane | None = None
) -> SupportPlane | None:
    """The supporting plane of a frame and what stands on it; None where there is none.

    depth: (H, W) float32 metres, 0 = no reading. camera: of this picture. seed: of the search. before: of the frame
    before, whose planes are followed, without a search, which a rounding may turn to another plane.
    """
    valid = depth > 0
    if valid.mean() < DENSE:
        return None
    x, y = rays(depth.shape, camera)
    sparse = points_of(depth[::STEP, ::STEP], x[:, ::STEP], y[::STEP])[valid[::STEP, ::STEP]]
    known = before.planes if before else ()
    found = planes.followed(sparse, known) or planes.supporting(sparse, np.random.default_rng(seed), known)
    if not found:
        return None
    normal, offset, _ = found[0]
    if found[-1].offset < offset - planes.STOREY:  # the table rather than the floor below it
        normal, offset, _ = found[-1]
    bend, quieter = planes.bending(sparse, normal, offset)
    if before is not None and before.bending is not None:  # the camera's, from frame to frame the same
        bend, quieter = (bend + before.bending[0]) / 2, (quieter + before.bending[1]) / 2
    bending = bend, quieter
    most = planes.CLEAR * planes.noise(depth)
    height = along(normal, depth, x, y) + offset
    height -= np.clip(planes.bent(bend, x, y), -most, most)
    most *= quieter
    rises = height >= most
    on = valid & (height > -most) & ~rises
    above = valid & rises & (height < TALL)
    rows, columns = np.nonzero(above)
    feet = points_of(depth[above], x[0, columns], y[rows, 0]) - height[above][:, None] * normal
    above[above] = stands(extent(on, valid & (height <= -most), normal), feet, camera)
    result = described(depth, camera, normal, height, on, above)
    return result._replace(on=on & planes.upward(normal), planes=found, bending=bending)


def described(
    depth: np.ndarray, camera: Intrinsics, normal: np.ndarray, height: np.ndarray, on: np.ndarray, above: np.ndarray
) -> SupportPlane:
    """What there is to know of (H, W) depth, of which on and above, (H, W) bool, are known. normal, height: (3,), and
    (H, W) metres above the plane, that tell the places."""
    x, y = rays(depth.shape, camera)
    valid, kernel = depth > 0, np.ones((3, 3), np.uint8)
    contacts, noise = find_contacts(depth, camera.fx, on)
    above = cv2.morphologyEx(above.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    far = cv2.dilate(depth, kernel)
    near = cv2.erode(np.where(valid, depth, np.float32(np.inf)), kernel)
    right = np.array([1, 0, 0], np.float32) - normal[0] * normal
    right /= np.linalg.norm(right)
    places = np.stack([along(right, depth, x, y), along(np.cross(normal, right), depth, x, y), height], axis=2)
    return SupportPlane(on, above, valid & (far - near > BREAK * depth), contacts, places, depth, noise)


def rays(shape: tuple[int, ...], camera: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """(1, W) and (H, 1) float32: x right and y down at one metre behind each column and each row."""
    x = (np.arange(shape[1], dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    y = (np.arange(shape[0], dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    return x[None], y[:, None]


def points_of(depth: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(..., 3) float32 metres, x right, y down, z forward, of (...) depth along the rays through (x, y, 1)."""
    return np.stack([depth * x, depth * y, depth], axis=-1)


def along(direction: np.ndarray, depth: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(H, W) metres along a (3,) direction from the camera."""
    metres: np.ndarray = depth * (direction[0] * x + (direction[1] * y + direction[2]))
    return metres


def stands(inside: np.ndarray, feet: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """(n,) bool: which of the (n, 3) feet, points of the plane straight below others, lie inside (H, W) its extent."""
    x, y, z = feet.T
    z = np.maximum(z, 1e-3)
    # what stands at the border of the picture has its feet beyond it
    u = np.clip(np.rint(x * camera.fx / z + camera.cx), 0, inside.shape[1] - 1).astype(int)
    v = np.clip(np.rint(y * camera.fy / z + camera.cy), 0, inside.shape[0] - 1).astype(int)
    found: np.ndarray = inside[v, u]
    return found
