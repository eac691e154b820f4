"""Finds a table or a floor in a depth image, and the objects that stand on it.

Readings that are nearer to the plane than the noise lie on it. Readings above it, whose foot lies within the extent of
the plane, belong to objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.depth import planes
from streamseg.depth.bending import CLEAR, Bending, fit_bending, worst_noise
from streamseg.depth.contacts import find_contacts
from streamseg.depth.extent import find_extent
from streamseg.depth.image import DepthImage
from streamseg.depth.planes import Plane
from streamseg.frame import Intrinsics

STEP = 4
"""Planes are searched on every n-th row and column."""
DENSE = 0.5
"""Least share of the pixels that have a reading: with fewer, hardly any pixels are connected."""
TALL = 0.6
"""Metres: what is higher above the plane is not an object."""
BREAK = 0.03
"""The distance jumps where neighbouring pixels (of about 240 rows) differ by this share of it."""


class SupportPlane(NamedTuple):
    """A support plane, or the walls and the floor of a bin, and the objects on it.

    on: (H, W) bool, pixels of the plane. It is all False for a plane that may be a wall, for flat objects hang there.
    above: (H, W) bool, pixels of objects. breaks: (H, W) bool, where the distance jumps. contacts: (H, W) bool, where
    the surface is concave, as between touching objects.
    places: (H, W, 3) float32 metres to the right, forward and up from the point of the plane below the camera;
    undefined where there is no reading. depth: (H, W) float32 metres, 0 = no reading. noise: standard deviation of
    inverse depth averaged over 3 x 3 pixels, in 1/m.
    planes, bending: for the search in the next frame. is_bin: True for a bin or a shelf. without_bin: number of
    frames in a row in which no bin was found.
    """

    on: np.ndarray
    above: np.ndarray
    breaks: np.ndarray
    contacts: np.ndarray
    places: np.ndarray
    depth: np.ndarray
    noise: float
    planes: Sequence[Plane] = ()
    bending: Bending | None = None
    is_bin: bool = False
    without_bin: int = 0


def find_support(
    depth: np.ndarray, camera: Intrinsics, seed: int = 0, before: SupportPlane | None = None
) -> SupportPlane | None:
    """Find the support plane of a frame and the objects on it. Returns None if there is no plane.

    depth: (H, W) float32 metres, 0 = no reading. camera: intrinsics for the pixels of `depth`. seed: of the search.
    before: result for the frame before. Its planes are followed without a search, because a search may find another
    plane after any rounding.
    """
    image = DepthImage(depth, camera)
    if image.valid.mean() < DENSE:
        return None
    points = image.points(STEP)[image.valid[::STEP, ::STEP]]
    known = before.planes if before else ()
    found = planes.follow_planes(points, known) or planes.find_planes(points, np.random.default_rng(seed), known)
    if not found:
        return None
    plane = found[0]
    if found[-1].offset < plane.offset - planes.STOREY:  # the table rather than the floor below it
        plane = found[-1]
    bending = fit_bending(points, plane.normal, plane.offset)
    if before is not None and before.bending is not None:
        bending = before.bending.averaged(bending)
    tolerance = CLEAR * worst_noise(depth)
    height = height_above(plane, bending, image, tolerance)
    tolerance *= bending.noise
    high, low = height >= tolerance, height <= -tolerance
    on = image.valid & ~low & ~high
    extent = find_extent(on, image.valid & low, plane.normal)
    above = standing(image.valid & high & (height < TALL), extent, image, plane.normal, height)
    result = support_plane(image, plane.normal, height, on, above)
    return result._replace(on=on & planes.faces_up(plane.normal), planes=found, bending=bending)


def height_above(plane: Plane, bending: Bending, image: DepthImage, limit: np.ndarray) -> np.ndarray:
    """Return (H, W) metres above a bent plane. limit: (H, W) metres, by which it is bent up or down at most."""
    height = image.along(plane.normal) + plane.offset
    height -= np.clip(bending.height(image.x, image.y), -limit, limit)
    return height


def standing(
    mask: np.ndarray, extent: np.ndarray, image: DepthImage, normal: np.ndarray, height: np.ndarray
) -> np.ndarray:
    """Return (H, W) bool: the pixels of `mask` whose foot, the point of the plane straight below, lies within `extent`.

    mask, extent: (H, W) bool. normal: (3,) of the plane. height: (H, W) metres above it.
    """
    x, y, z = (image.points_of(mask) - height[mask][:, None] * normal).T
    z = np.maximum(z, 1e-3)
    camera, (rows, columns) = image.camera, extent.shape
    # an object at the border of the image has its feet beyond it
    u = np.clip(np.rint(x * camera.fx / z + camera.cx), 0, columns - 1).astype(int)
    v = np.clip(np.rint(y * camera.fy / z + camera.cy), 0, rows - 1).astype(int)
    found = np.zeros(mask.shape, bool)
    found[mask] = extent[v, u]
    return found


def support_plane(
    image: DepthImage, normal: np.ndarray, height: np.ndarray, on: np.ndarray, above: np.ndarray
) -> SupportPlane:
    """Return the SupportPlane of an image whose pixels on the plane and above it, (H, W) bool, are known.

    normal: (3,) of the plane. height: (H, W) metres above it. Single pixels above it are removed.
    """
    kernel = np.ones((3, 3), np.uint8)
    contacts, noise = find_contacts(image.depth, image.camera.fx, on)
    above = cv2.morphologyEx(above.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    farthest = cv2.dilate(image.depth, kernel)
    nearest = cv2.erode(np.where(image.valid, image.depth, np.float32(np.inf)), kernel)
    breaks = image.valid & (farthest - nearest > BREAK * image.depth)
    right = np.array([1, 0, 0], np.float32) - normal[0] * normal
    right /= np.linalg.norm(right)
    places = np.stack([image.along(right), image.along(np.cross(normal, right)), height], axis=2)
    return SupportPlane(on, above, breaks, contacts, places, image.depth, noise)
