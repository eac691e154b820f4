"""Bowls and mugs are one object each, though the distance jumps at their rims, from the outside in front to the inside.

Two parts are one container if they lie one behind the other, are equally wide and equally high, and are together no
deeper than something round would be, and the one behind, the inside, is bowed: the side of a box is not.
"""

from __future__ import annotations

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


def merge_containers(objects: np.ndarray, places: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """(H, W) int32 objects, numbered 1, 2 ..., with both parts of a container as one.

    places: (H, W, 3) float32 metres, see `support.SupportPlane`. solid: (H, W) bool, where they can be relied on.
    """
    ends, points, count = {}, {}, int(objects.max(initial=0))
    few, some = np.where(solid, objects, 0)[::2, ::2], places[::2, ::2]
    for number in range(1, count + 1):
        points[number] = some[few == number]
        if len(points[number]):
            ends[number] = np.percentile(points[number], EDGES, axis=0)
    same = np.arange(count + 1)
    for one, other in _neighbours(objects):
        if one in ends and other in ends and _is_container(ends[one], ends[other]):
            inside = max(one, other, key=lambda part: float(ends[part][:, 1].sum()))
            if _bow(points[inside]) > BOWED * (ends[inside][1, 0] - ends[inside][0, 0]):
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
    pairs = np.unique(np.stack([above[touching], below[touching]], axis=1), axis=0)
    return [(int(one), int(other)) for one, other in pairs]
