"""Bowls and mugs are one object each, though the distance jumps at their rims, from the outside in front to the inside.

Two parts are one container if they lie one behind the other, are equally wide and equally high, and are together no
deeper than something round would be, and the one behind, the inside, is bowed: the side of a box is not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EDGES = 3, 97
"""Percentiles that count as the ends of a part: depth flies at its outline."""
ALIKE = 0.5
"""Least share of their common width that both parts have,"""
LEVEL = 0.15
"""largest difference of their tops, as a share of the height,"""
ROUND = 1.4
"""and largest depth of both together, as a multiple of the width."""
BOWED = 0.04
"""How far the inside differs from a plane at least, root mean square, as a share of its width; half a round wall does
by a tenth, without its ends by less."""
CORE = 90
"""Percentage of its points that go into that: depth flies at its outline."""


class Part(NamedTuple):
    """points: (n, 3) metres. ends: (2, 3), see EDGES."""

    points: np.ndarray
    ends: np.ndarray

    @staticmethod
    def of(points: np.ndarray) -> Part | None:
        """None of no points."""
        return Part(points, _ends(points)) if len(points) else None


def _ends(points: np.ndarray) -> np.ndarray:
    """(2, 3): EDGES of (n, 3) points, as `np.percentile` has them, in a third of its time."""
    place = np.array(EDGES) / 100 * (len(points) - 1)
    low = place.astype(int)
    high = np.minimum(low + 1, len(points) - 1)
    ordered = np.partition(np.ascontiguousarray(points.T), sorted({*low.tolist(), *high.tolist()}), axis=1)
    found: np.ndarray = (ordered[:, low] + (place - low) * (ordered[:, high] - ordered[:, low])).T
    return found


def merge_containers(objects: np.ndarray, places: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """(H, W) int32 objects, numbered 1, 2 ..., with both parts of a container as one.

    places: (H, W, 3) float32 metres, see `support.SupportPlane`. solid: (H, W) bool, where they can be relied on.
    """
    few, some = np.where(solid, objects, 0)[::2, ::2], places[::2, ::2]
    parts: dict[int, Part | None] = {}  # of those that touch another one
    same = np.arange(int(objects.max(initial=0)) + 1)
    for one, other in _neighbours(objects):
        for number in (one, other):
            if number not in parts:
                parts[number] = Part.of(some[few == number])
        pair = parts[one], parts[other]
        if pair[0] is not None and pair[1] is not None and _is_container(pair[0].ends, pair[1].ends):
            inside = max(pair[0], pair[1], key=lambda part: float(part.ends[:, 1].sum()))
            if _bow(inside.points) > BOWED * (inside.ends[1, 0] - inside.ends[0, 0]):
                same[same == same[other]] = same[one]
    numbers = np.unique(same, return_inverse=True)[1].astype(np.int32)
    found: np.ndarray = numbers[objects]
    return found


def _bow(points: np.ndarray) -> float:
    """Metres by which (n, 3) places differ from a plane, root mean square of the CORE."""
    terms = np.column_stack([points[:, [0, 2]], np.ones(len(points))])
    forward = points[:, 1]
    apart = np.sort((forward - terms @ np.linalg.lstsq(terms, forward, rcond=None)[0]) ** 2)
    return float(np.sqrt(apart[: max(1, len(apart) * CORE // 100)].mean()))


def _is_container(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two parts, given by the ends (2, 3) of their places, are as one container's would be."""
    both = np.stack([np.minimum(one[0], other[0]), np.maximum(one[1], other[1])])
    common = min(one[1, 0], other[1, 0]) - max(one[0, 0], other[0, 0])
    width, depth, height = both[1, 0] - both[0, 0], both[1, 1] - both[0, 1], both[1, 2]
    level = abs(one[1, 2] - other[1, 2]) < LEVEL * height
    return bool(common > ALIKE * width and level and depth < ROUND * width)


def _neighbours(objects: np.ndarray) -> list[tuple[int, int]]:
    """The pairs of objects that touch above and below each other."""
    above, below = objects[:-1], objects[1:]
    touching = (above != below) & (above > 0) & (below > 0)
    count = int(objects.max(initial=0)) + 1
    pairs = np.unique(above[touching].astype(np.int64) * count + below[touching])
    return [divmod(pair, count) for pair in pairs.tolist()]
