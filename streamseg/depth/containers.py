"""Merges the outside and the inside of a bowl or a mug, which the depth jump at the rim separates.

Two parts are one container if the inside lies behind the outside, both are about equally wide and high, together they
are no deeper than a round object, and the inside is curved. The side of a box is not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.depth.merging import MergedParts

EDGES = 3, 97
"""Percentiles of the points that count as the ends of a part: depth is unreliable along outlines."""
ALIKE = 0.5
"""Least overlap of both parts to the right, as a share of their common width."""
LEVEL = 0.15
"""Largest difference between the tops of both parts, as a share of their common height."""
ROUND = 1.4
"""Largest common depth of both parts, as a multiple of their common width."""
BOWED = 0.04
"""Least curvature of the inside: root mean square distance from a plane, as a share of its width. That of half a round
wall is a tenth, and less without its ends."""
CORE = 90
"""Percentage of the points, those nearest to the plane, from which the curvature is measured."""


class Part(NamedTuple):
    """points: (n, 3) metres to the right, forward and up, n > 0. ends: (2, 3), the EDGES of the points."""

    points: np.ndarray
    ends: np.ndarray


def merge_containers(objects: np.ndarray, places: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Merge the two parts of each container.

    objects: (H, W) int32, numbered 1, 2 ..., 0 = none. places: (H, W, 3) float32 metres, see `support.SupportPlane`.
    solid: (H, W) bool, where `places` is reliable. Returns (H, W) int32 objects, numbered without gaps.
    """
    sparse_objects, sparse_places = np.where(solid, objects, 0)[::2, ::2], places[::2, ::2]
    parts: dict[int, Part | None] = {}  # only of objects that touch another one
    merged = MergedParts(objects)
    for pair in _touching_pairs(objects):
        for number in pair:
            if number not in parts:
                parts[number] = _part(sparse_places[sparse_objects == number])
        first, second = parts[pair[0]], parts[pair[1]]
        if first is not None and second is not None and _have_shape_of_container(first.ends, second.ends):
            inside = max(first, second, key=lambda part: float(part.ends[:, 1].sum()))  # the farther one
            width = inside.ends[1, 0] - inside.ends[0, 0]
            if _distance_from_plane(inside.points) > BOWED * width:
                merged.merge(*pair)
    return merged.numbered()


def _part(points: np.ndarray) -> Part | None:
    """Return the part of (n, 3) points; None if there are none."""
    return Part(points, _ends(points)) if len(points) else None


def _ends(points: np.ndarray) -> np.ndarray:
    """Return (2, 3): the percentiles EDGES of (n, 3) points. As `np.percentile`, in a third of its time."""
    place = np.array(EDGES) / 100 * (len(points) - 1)
    low = place.astype(int)
    high = np.minimum(low + 1, len(points) - 1)
    ordered = np.partition(np.ascontiguousarray(points.T), sorted({*low.tolist(), *high.tolist()}), axis=1)
    found: np.ndarray = (ordered[:, low] + (place - low) * (ordered[:, high] - ordered[:, low])).T
    return found


def _distance_from_plane(points: np.ndarray) -> float:
    """Return the root mean square distance, in metres, of the CORE of (n, 3) points from their plane, along forward."""
    terms = np.column_stack([points[:, [0, 2]], np.ones(len(points))])
    forward = points[:, 1]
    squares = np.sort((forward - terms @ np.linalg.lstsq(terms, forward, rcond=None)[0]) ** 2)
    return float(np.sqrt(squares[: max(1, len(squares) * CORE // 100)].mean()))


def _have_shape_of_container(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two parts, given by their (2, 3) ends, lie as the outside and the inside of a container do."""
    low, high = np.minimum(first[0], second[0]), np.maximum(first[1], second[1])
    common = min(first[1, 0], second[1, 0]) - max(first[0, 0], second[0, 0])
    width, depth, height = high[0] - low[0], high[1] - low[1], high[2]
    level = abs(first[1, 2] - second[1, 2]) < LEVEL * height
    return bool(common > ALIKE * width and level and depth < ROUND * width)


def _touching_pairs(objects: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of objects of which a pixel of the first lies directly above one of the second."""
    above, below = objects[:-1], objects[1:]
    touching = (above != below) & (above > 0) & (below > 0)
    count = int(objects.max(initial=0)) + 1
    pairs = np.unique(above[touching].astype(np.int64) * count + below[touching])
    return [divmod(pair, count) for pair in pairs.tolist()]
