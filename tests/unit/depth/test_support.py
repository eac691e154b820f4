"""Tests the support plane on depth of planes and boxes, which is computed ray by ray, with a sensor's noise."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth import planes, support
from streamseg.depth.bending import worst_noise
from streamseg.frame import Intrinsics

SIZE = (120, 160)
CAMERA = Intrinsics(140.0, 140.0, 79.5, 59.5)
HEIGHT, PITCH = 0.6, np.radians(35)  # of the camera above the table, in metres, and how far it looks down
# (x, z, y) of a box's corners: right, forward, up from the table's top, below the camera
BOXES = [((-0.25, 0.75, 0.0), (-0.1, 0.9, 0.2)), ((0.05, 0.65, 0.0), (0.2, 0.8, 0.12))]
TABLE = (-0.6, 0.3, 0.6, 1.2)  # left, near, right, far


def directions() -> np.ndarray:
    """Return (H, W, 3): the point (right, forward, up) at depth 1 on the ray of each pixel."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    x, y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    cos, sin = np.cos(PITCH), np.sin(PITCH)
    return np.stack([x, cos - y * sin, -sin - y * cos], axis=2)


def level(top: float, area: tuple[float, ...] = (-50, -50, 50, 50)) -> np.ndarray:
    """Return the (H, W) depth of a horizontal area `top` metres above the table; inf beside it."""
    rays = directions()
    with np.errstate(divide="ignore"):
        depth = (top - HEIGHT) / rays[..., 2]
    right, forward = depth * rays[..., 0], depth * rays[..., 1]
    left, near, end, far = area
    hit = (depth > 0) & (right > left) & (right < end) & (forward > near) & (forward < far)
    return np.where(hit, depth, np.inf)


def box(low: tuple[float, ...], high: tuple[float, ...]) -> np.ndarray:
    """Return the (H, W) depth of a box; inf beside it."""
    rays, origin = directions(), np.array([0, 0, HEIGHT])
    with np.errstate(divide="ignore"):
        slabs = np.stack([(np.array(corner) - origin) / rays for corner in (low, high)])
    enter, leave = slabs.min(axis=0).max(axis=2), slabs.max(axis=0).min(axis=2)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


def wall(forward: float) -> np.ndarray:
    return forward / directions()[..., 1]


def sense(*layers: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the readings of a depth camera: the nearest layer, with half of the worst noise; 0 beyond 6 m."""
    depth = np.minimum.reduce(layers)
    depth = np.where(depth < 6, depth, 0)
    noise = np.random.default_rng(seed).normal(size=SIZE) * worst_noise(depth) / 2
    return np.where(depth > 0, depth + noise, 0).astype(np.float32)


def table_with_boxes(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the depth of two boxes on a table, with a floor below and a wall behind, and the masks of boxes and
    table."""
    table, floor, back, boxes = level(0, TABLE), level(-0.7), wall(2.5), [box(*corners) for corners in BOXES]
    nearest = np.minimum.reduce([table, floor, back, *boxes])
    return sense(nearest, seed=seed), np.minimum(*boxes) == nearest, table == nearest


def share(found: np.ndarray, where: np.ndarray) -> float:
    return float(found[where].mean())


@pytest.mark.parametrize("seed", range(3))
def test_boxes_stand_on_the_table_and_not_on_the_floor_below(seed: int) -> None:
    depth, boxes, table = table_with_boxes(seed)
    assert 0.04 < boxes.mean() < 0.4
    assert table.mean() > 0.2
    found = support.find_support(depth, CAMERA)
    assert found is not None
    assert share(found.on, table) > 0.97
    assert share(found.above, boxes) > 0.93  # not the lowest centimetre
    assert share(found.above, table) < 0.01
    assert share(found.above, ~table & ~boxes) < 0.01
    up = depth * directions()[..., 2] + HEIGHT
    assert not found.on[np.abs(up) > 0.2].any()  # neither floor nor wall, but where the plane would meet the wall
    assert not (found.on & found.above).any()
    directly = depth[..., None] * directions()  # right, forward, up of the camera
    np.testing.assert_allclose(found.places[boxes][:, :2], directly[boxes][:, :2], atol=0.02)
    np.testing.assert_allclose(found.places[boxes][:, 2], up[boxes], atol=0.02)


def test_the_quieter_the_camera_the_lower_a_thing_may_be() -> None:
    table, card = level(0, TABLE), level(0.012, (-0.2, 0.6, 0.1, 0.9))
    nearest = np.minimum(table, card)
    rng = np.random.default_rng(0)
    found = {}
    for millimetres in (1, 8):
        depth = np.where(nearest < 6, nearest + rng.normal(size=SIZE) * millimetres / 1000, 0).astype(np.float32)
        surfaces = support.find_support(depth, CAMERA)
        assert surfaces is not None
        found[millimetres] = share(surfaces.above, (card < table) & (nearest < 6))
    assert found[1] > 0.9
    assert found[8] < 0.1  # and nothing is made up where it is noisy


def test_a_table_that_the_camera_bends_is_still_flat() -> None:
    depth, boxes, table = table_with_boxes()
    v, u = np.mgrid[-1 : 1 : SIZE[0] * 1j, -1 : 1 : SIZE[1] * 1j]
    bent = np.where(depth > 0, depth * (1 + 0.04 * (u**2 - u * v / 2 + v**2)), 0).astype(np.float32)
    found = support.find_support(bent, CAMERA)
    assert found is not None
    assert share(found.on, table) > 0.95
    assert share(found.above, boxes) > 0.9
    assert share(found.above, table) < 0.02


def test_a_floor_supports_where_there_is_no_table() -> None:
    floor, thing = level(-0.4), box((-0.2, 1.2, -0.4), (0.1, 1.5, 0.0))
    depth = sense(floor, thing)
    found = support.find_support(depth, CAMERA)
    assert found is not None
    assert share(found.above, thing < floor) > 0.85
    assert share(found.on, (floor < thing) & (depth > 0)) > 0.95


def test_what_is_taller_than_things_are_is_no_thing() -> None:
    floor, cupboard = level(-0.6), box((-0.3, 1.3, -0.6), (0.3, 1.8, 1.8))
    found = support.find_support(sense(floor, cupboard), CAMERA)
    assert found is not None
    rays = directions()
    up = np.minimum(floor, cupboard) * rays[..., 2] + HEIGHT + 0.6  # metres above the floor
    assert not found.above[(cupboard < floor) & (up > support.TALL + 0.1)].any()


@pytest.mark.parametrize("slanted", [0.0, 0.4])
def test_nothing_stands_on_a_wall_and_flat_things_may_hang_there(slanted: float) -> None:
    u = (np.arange(SIZE[1]) - CAMERA.cx) / CAMERA.fx
    facing = np.broadcast_to(1.5 / (1 + slanted * u), SIZE)  # upright, and turned around the vertical
    found = support.find_support(sense(facing), CAMERA)
    assert found is None or not (found.on.any() or found.above.any())


def test_a_wall_behind_a_table_is_not_what_things_stand_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PITCH", np.radians(18))
    table, back, boxes = level(0, TABLE), wall(1.3), [box(*corners) for corners in BOXES]
    nearest = np.minimum.reduce([table, back, *boxes])
    assert (nearest == back).mean() > planes.MOST
    found = support.find_support(sense(nearest), CAMERA)
    assert found is not None
    assert share(found.on, nearest == table) > 0.95
    assert share(found.above, np.minimum(*boxes) == nearest) > 0.6
    assert share(found.above, nearest == back) < 0.02


def test_a_camera_may_look_straight_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PITCH", np.radians(89))
    table, boxes = level(0), [box((-0.2, -0.1, 0), (-0.05, 0.1, 0.1)), box((0.1, -0.15, 0), (0.2, 0.05, 0.05))]
    found = support.find_support(sense(table, *boxes), CAMERA)
    assert found is not None
    things = np.minimum(*boxes) < table
    assert share(found.above, things) > 0.95
    assert share(found.above, ~things) < 0.01
    assert np.isfinite(found.places).all()


def test_distances_jump_where_neighbours_with_a_reading_are_far_apart() -> None:
    depth, boxes, _ = table_with_boxes()
    depth[np.random.default_rng(5).random(SIZE) < 0.1] = 0
    found = support.find_support(depth, CAMERA)
    assert found is not None
    wanted = np.zeros(SIZE, bool)
    for row, column in np.argwhere(depth > 0):
        around = depth[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        wanted[row, column] = np.ptp(around[around > 0]) > support.BREAK * depth[row, column]
    np.testing.assert_array_equal(found.breaks, wanted)
    outline = boxes & ~np.roll(boxes, 1, axis=0) & (depth > 0) & (np.roll(depth, 1, axis=0) > 0)
    assert share(found.breaks, outline) > 0.95


def test_a_sieve_of_readings_or_none_is_nothing() -> None:
    depth, _, _ = table_with_boxes()
    rng = np.random.default_rng(0)
    read = (depth > 0).mean()
    assert read > 0.9
    for kept, wanted in ((0.4, False), (0.65, True)):
        sparse = np.where(rng.random(SIZE) < kept / read, depth, 0).astype(np.float32)
        assert (support.find_support(sparse, CAMERA) is not None) == wanted
    assert support.find_support(np.zeros(SIZE, np.float32), CAMERA) is None


def test_rough_ground_is_no_plane() -> None:
    depth = np.random.default_rng(0).uniform(0.5, 5, SIZE).astype(np.float32)
    assert support.find_support(depth, CAMERA) is None


def test_same_frame_same_surface() -> None:
    depth, _, _ = table_with_boxes()
    one, other = support.find_support(depth, CAMERA, seed=3), support.find_support(depth.copy(), CAMERA, seed=3)
    assert one is not None
    assert other is not None
    np.testing.assert_equal(one, other)


def test_planes_are_followed_while_the_camera_tilts_until_they_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []
    real = planes.find_planes
    monkeypatch.setattr(planes, "find_planes", lambda *args: searches.append(len(searches)) or real(*args))
    found, frames = None, 12
    for step in range(frames):
        monkeypatch.setitem(globals(), "PITCH", np.radians(45 - step / 2))
        depth, boxes, table = table_with_boxes(seed=step)
        found = support.find_support(depth, CAMERA, before=found)
        assert found is not None
        assert share(found.above, boxes) > 0.9
        assert share(found.on, table) > 0.9
    assert len(searches) < frames / 2
    monkeypatch.setitem(globals(), "PITCH", np.radians(18))
    facing = sense(wall(1.3), seed=1)
    alone, after = support.find_support(facing, CAMERA), support.find_support(facing, CAMERA, before=found)
    assert alone is not None
    assert after is not None
    assert after.planes[0].offset == pytest.approx(1.3, abs=0.02)
    assert (after.above == alone.above).mean() > 0.99


def test_the_camera_s_own_intrinsics_count() -> None:
    """An image of twice the size gives the same result with the camera for that size."""
    depth, boxes, table = table_with_boxes()
    small = support.find_support(depth, CAMERA)
    twice = Intrinsics(2 * CAMERA.fx, 2 * CAMERA.fy, 2 * CAMERA.cx + 0.5, 2 * CAMERA.cy + 0.5)
    large = support.find_support(depth.repeat(2, axis=0).repeat(2, axis=1), twice)
    assert small is not None
    assert large is not None
    assert (large.above[::2, ::2] == small.above).mean() > 0.97
    assert share(large.on[::2, ::2] == small.on, table | boxes) > 0.97
