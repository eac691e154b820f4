"""Objects in bins and shelves, from depth alone in rendered scenes: with `find_bin`, and with the support plane alone.

    python -m tests.benchmarks.bins [--scenes 20]

Boxes lie in an open tote (three to five, or a pile), in a shelf, and on a table, where a detected bin is a false one.
Each scene has another view. The script prints the mean overlap F (UOIS), and the number of scenes in which a bin was
found. It is deterministic.
"""

from __future__ import annotations

import click
import numpy as np

from streamseg.depth.bins import find_bin
from streamseg.depth.instances import find_instances
from streamseg.depth.support import SupportPlane, find_support
from streamseg.evaluation.overlap import overlap
from tests.unit.depth.test_bins import CAMERA, FLOOR, SHELF, SIZE, WALLS, Box, seen

KINDS = {"bin": (3, 5), "full tote": (9, 14), "shelf": (2, 4), "table": (3, 5)}
"""How many things, at least and at most."""
BACK: Box = ((-9, 2.5, -9), (9, 2.6, 9))
TABLE: Box = ((-0.6, -0.6, -0.05), (0.6, 0.6, 0))
SMALLEST = 100
"""Pixels of the smallest object."""


def laid(random: np.random.Generator, kind: str) -> list[Box]:
    """Place boxes one after the other, each on what lies below it; in a shelf side by side."""
    low, high = KINDS[kind]
    count, boxes = int(random.integers(low, high + 1)), []
    for number in range(count):
        size = random.uniform((0.06, 0.06, 0.03), (0.16, 0.16, 0.1))
        if kind == "shelf":
            size[2] = random.uniform(0.08, 0.25)
            size[0] = random.uniform(0.04, 0.4 / count)
            corner = np.array([-0.24 + 0.48 * number / count, random.uniform(0.02, 0.2), 0.0])
        else:
            corner = np.append(random.uniform((-0.24, -0.17), (0.24, 0.17) - size[:2]), 0.0)
        below = [top[2] for bottom, top in boxes if _above(corner, size, bottom, top)]
        corner[2] = max(below, default=0.0)
        boxes.append((tuple(corner.tolist()), tuple((corner + size).tolist())))
    return boxes


def _above(corner: np.ndarray, size: np.ndarray, bottom: tuple[float, ...], top: tuple[float, ...]) -> bool:
    return bool((corner[:2] < top[:2]).all() and ((corner + size)[:2] > bottom[:2]).all())


def scene(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) depth [m] and the true objects, 0 = none."""
    random = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    things = laid(random, kind)
    around = {"shelf": [BACK, *SHELF], "table": [FLOOR, TABLE]}.get(kind, [FLOOR, *WALLS])
    if kind == "shelf":
        eye, pitch = (random.uniform(-0.1, 0.1), random.uniform(-0.6, -0.4), random.uniform(0.2, 0.35)), 10.0
    else:
        pitch = random.uniform(65, 90)
        eye = (random.uniform(-0.05, 0.05), -0.8 / np.tan(np.radians(pitch)), random.uniform(0.75, 0.9))
    depth, which = seen([*around, *things], eye, float(pitch), seed)
    return depth, np.where(which >= len(around), which - len(around) + 1, 0).astype(np.uint8)


def score(support: SupportPlane | None, truth: np.ndarray) -> float:
    """Overlap F of the objects on a support."""
    objects = np.zeros(SIZE, np.uint8) if support is None else find_instances(support, SMALLEST).astype(np.uint8)
    return overlap(objects, truth).f


@click.command()
@click.option("--scenes", default=20, help="Scenes of each kind.")
def main(scenes: int) -> None:
    """Score the objects found in rendered bins, shelves and tables."""
    print("| scenes | a bin is seen in | overlap F | the support plane alone |\n|---|---|---|---|")
    for kind in KINDS:
        bins, kept, alone = 0, [], []
        for seed in range(scenes):
            depth, truth = scene(kind, seed)
            support = find_support(depth, CAMERA)
            container = find_bin(depth, CAMERA, support)
            bins += container is not None
            kept.append(score(container or support, truth))
            alone.append(score(support, truth))
        print(f"| {kind} | {bins} of {scenes} | {np.mean(kept):.3f} | {np.mean(alone):.3f} |", flush=True)


if __name__ == "__main__":
    main()
