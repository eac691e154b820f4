"""Tests the search for bins and shelves on depth of scenes of boxes, which is computed ray by ray, with noise."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth import frame_support
from streamseg.depth.bins import find_bin
from streamseg.depth.frame_support import PATIENCE, support_of
from streamseg.depth.instances import find_instances
from streamseg.depth.support import SupportPlane, find_support
from streamseg.frame import Frame, Intrinsics

SIZE = (240, 320)
CAMERA = Intrinsics(262.5, 262.5, 159.5, 119.5)
Box = tuple[tuple[float, float, float], tuple[float, float, float]]  # lowest and highest corner: right, forward, up
THICK = 0.015
WALLS: list[Box] = [  # a tote of 50 x 36 x 18 cm, open at its top, on nothing near
    ((-0.25 - THICK, -0.18 - THICK, 0), (-0.25, 0.18 + THICK, 0.18)),
    ((0.25, -0.18 - THICK, 0), (0.25 + THICK, 0.18 + THICK, 0.18)),
    ((-0.25, -0.18 - THICK, 0), (0.25, -0.18, 0.18)),
    ((-0.25, 0.18, 0), (0.25, 0.18 + THICK, 0.18)),
    ((-0.25, -0.18, -0.01), (0.25, 0.18, 0)),
]
FLOOR: Box = ((-9, -9, -0.9), (9, 9, -0.8))
THINGS: list[Box] = [
    ((-0.18, -0.12, 0), (-0.06, 0.02, 0.06)),
    ((0.02, -0.1, 0), (0.1, 0.1, 0.09)),
    ((0.13, -0.05, 0), (0.2, 0.06, 0.05)),
]
SHELF: list[Box] = [  # 50 cm wide, 36 cm high, 40 cm deep, open towards the camera
    ((-0.25 - THICK, 0, 0), (-0.25, 0.4, 0.36)),
    ((0.25, 0, 0), (0.25 + THICK, 0.4, 0.36)),
    ((-0.25, 0.4, 0), (0.25, 0.4 + THICK, 0.36)),
    ((-0.25, 0, -THICK), (0.25, 0.4, 0)),
    ((-0.25, 0, 0.36), (0.25, 0.4, 0.36 + THICK)),
]
STANDING: list[Box] = [((-0.16, 0.15, 0), (-0.05, 0.25, 0.2)), ((0.04, 0.1, 0), (0.17, 0.18, 0.12))]


def seen(boxes: list[Box], eye: tuple[float, ...], pitch: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) depth from `eye`, looking down by `pitch` degrees, with 2 mm of noise, and the index of the box, -1
    = none."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    x, y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    cos, sin = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
    rays = np.stack([x, cos - y * sin, -sin - y * cos], axis=2)
    layers = []
    for low, high in boxes:
        with np.errstate(divide="ignore"):
            slabs = np.stack([(np.array(corner) - eye) / rays for corner in (low, high)])
        enter, leave = slabs.min(axis=0).max(axis=2), slabs.max(axis=0).min(axis=2)
        layers.append(np.where((enter < leave) & (enter > 0), enter, np.inf))
    depth = np.min(layers, axis=0)
    which = np.where(np.isfinite(depth), np.argmin(layers, axis=0), -1)
    noise = np.random.default_rng(seed).normal(size=SIZE) * 0.002
    return np.where(which >= 0, depth + noise, 0).astype(np.float32), which


def best_ious(found: SupportPlane, which: np.ndarray, first: int, count: int) -> list[float]:
    """Return the IoU of each thing, whose numbers start at `first`, with the object that fits it best."""
    objects = find_instances(found, 100)
    ious = []
    for number in range(first, first + count):
        true = which == number
        ious.append(max((objects == at)[true].sum() / ((objects == at) | true).sum() for at in range(1, 20)))
    return ious


@pytest.mark.parametrize(("height", "back", "pitch"), [(0.85, 0.0, 90), (0.8, -0.25, 74)])
@pytest.mark.parametrize("seed", range(2))
def test_things_in_a_bin_are_found_one_by_one_and_its_walls_are_none(
    height: float, back: float, pitch: float, seed: int
) -> None:
    depth, which = seen([FLOOR, *WALLS, *THINGS], (0, back, height), pitch, seed)
    support = find_support(depth, CAMERA)
    found = find_bin(depth, CAMERA, support)
    assert found is not None
    assert found.is_bin
    assert min(best_ious(found, which, 6, 3)) > 0.75
    assert found.above[which < 6].mean() < 0.05
    assert found.on[(which >= 0) & (which < 6)].mean() > 0.95
    if support is not None:  # a plane alone misses the things, or takes the walls for some
        walls = support.above[(which > 0) & (which < 6)].mean()
        assert walls > 0.1 or min(best_ious(support, which, 6, 3)) < 0.5


@pytest.mark.parametrize("seed", range(2))
def test_things_in_a_shelf_stand_before_its_walls(seed: int) -> None:
    back: Box = ((-9, 2.5, -9), (9, 2.6, 9))
    depth, which = seen([back, *SHELF, *STANDING], (0.05, -0.4, 0.3), 12, seed)
    found = find_bin(depth, CAMERA, find_support(depth, CAMERA))
    assert found is not None
    assert min(best_ious(found, which, 6, 2)) > 0.75
    assert found.above[which < 6].mean() < 0.03


def test_a_box_is_no_bin_nor_is_a_table_before_a_wall() -> None:
    table: Box = ((-0.6, 0, -0.05), (0.6, 0.8, 0))
    wall: Box = ((-9, 1.2, -9), (9, 1.3, 9))
    boxes: list[Box] = [((-0.25, 0.3, 0), (-0.05, 0.5, 0.2)), ((0.1, 0.2, 0), (0.25, 0.5, 0.12))]
    depth, _ = seen([FLOOR, table, wall, *boxes], (0, -0.3, 0.6), 35)
    support = find_support(depth, CAMERA)
    assert support is not None
    assert not support.is_bin
    assert find_bin(depth, CAMERA, support) is None


def test_a_shelf_behind_the_table_leaves_the_table_its_things() -> None:
    table: Box = ((-0.6, -0.6, -0.2), (0.6, 0.0, -0.1))
    eye, boxes = (0.0, -0.75, 0.35), [*SHELF, ((-9, 2.5, -9), (9, 2.6, 9))]
    depth, _ = seen(boxes, eye, 25)
    assert find_bin(depth, CAMERA, find_support(depth, CAMERA)) is not None
    depth, _ = seen([table, ((-0.1, -0.35, -0.1), (0.0, -0.25, 0.0)), *boxes], eye, 25)
    support = find_support(depth, CAMERA)
    assert support is not None
    assert find_bin(depth, CAMERA, support) is None


def test_depth_without_readings_or_planes_holds_no_bin() -> None:
    assert find_bin(np.zeros(SIZE, np.float32), CAMERA, None) is None
    noise = np.random.default_rng(0).uniform(0.5, 2, SIZE).astype(np.float32)
    assert find_bin(noise, CAMERA, None) is None


def test_the_search_ends_where_planes_that_were_voted_for_fit_nothing() -> None:
    down = np.linspace(0.4, 1, SIZE[0])[:, None]
    steps = np.round(np.repeat(7.362685860900611 / down, SIZE[1], axis=1)).astype(np.float32)  # of whole metres
    camera = Intrinsics(262.5, 262.5, 160, 120)
    assert find_bin(steps, camera, find_support(steps, camera)) is None


def test_on_a_table_a_bin_is_looked_for_now_and_then_and_found_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def counted(*given: object) -> SupportPlane | None:
        looked.append(given)
        return find_bin(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(frame_support, "find_bin", counted)
    views = [seen([FLOOR, *boxes], (0, -0.25, 0.8), 74)[0] for boxes in (THINGS, [*WALLS, *THINGS])]
    table, tote = (
        Frame(0, "0", 0.0, np.zeros((*SIZE, 3), np.uint8), intrinsics=CAMERA, load_depth=view.copy) for view in views
    )
    before = None
    for _ in range(4 * PATIENCE):
        before = support_of(table, 0, before)
    assert len(looked) == PATIENCE + 3
    for _ in range(PATIENCE):
        before = support_of(tote, 0, before)
    assert before is not None
    assert min(best_ious(before, seen([FLOOR, *WALLS, *THINGS], (0, -0.25, 0.8), 74)[1], 6, len(THINGS))) > 0.5
