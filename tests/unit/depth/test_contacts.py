"""Tests that touching objects are separated, in scenes of boxes and cylinders on a table, seen by a pinhole camera with
a Kinect's noise. The ground truth follows from the geometry."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth.camera import guessed_camera
from streamseg.depth.instances import find_instances
from streamseg.depth.support import find_support
from streamseg.evaluation.overlap import overlap
from streamseg.frame import Intrinsics

SIZE = (240, 320)
CAMERA = Intrinsics(262.5, 262.5, 159.5, 119.5)
HEIGHT, PITCH = 0.7, np.radians(40)  # of the camera above the table, in metres, and how far it looks down
AHEAD = HEIGHT / np.tan(PITCH)  # where it looks


def box(right: float, ahead: float, up: float, size: tuple[float, float, float], turned: float = 0.0) -> dict:
    """Return a box. (right, ahead, up): centre of its foot, in metres. turned: degrees about the vertical."""
    return {"kind": "box", "foot": (right, ahead, up), "size": size, "turned": np.radians(turned)}


def cylinder(right: float, ahead: float, up: float, radius: float, height: float) -> dict:
    """Return an upright cylinder. (right, ahead, up): centre of its foot, in metres."""
    return {"kind": "cylinder", "foot": (right, ahead, up), "size": (radius, radius, height), "turned": 0.0}


def scene(*things: dict, roll: float = 0.0, seed: int = 0, table: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) float32 depth with a Kinect's noise, in steps of 1/8 pixel of disparity, and (H, W) ground truth.

    roll: of the camera, in degrees. Beyond 3 m there are no readings.
    """
    rays, eye = _rays(np.radians(roll)), np.array([0, 0, HEIGHT])
    with np.errstate(divide="ignore", invalid="ignore"):
        layers = [np.where(rays[..., 2] < 0, -HEIGHT / rays[..., 2], np.inf) if table else np.full(SIZE, np.inf)]
        layers += [_hit(rays, eye, thing) for thing in things]
    depth, truth = np.min(layers, axis=0), np.argmin(layers, axis=0)
    disparity = 262.5 * 2 * 0.075 / depth + np.random.default_rng(seed).normal(size=SIZE) * 0.1
    depth = 262.5 * 2 * 0.075 / np.maximum(np.round(8 * disparity) / 8, 1e-6)
    return np.where(depth < 3, depth, 0).astype(np.float32), np.where(depth < 3, truth, 0)


def _rays(roll: float) -> np.ndarray:
    """Return (H, W, 3): the point (right, ahead, up) at depth 1 on the ray of each pixel."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    x, y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    x, y = np.cos(roll) * x - np.sin(roll) * y, np.sin(roll) * x + np.cos(roll) * y
    cos, sin = np.cos(PITCH), np.sin(PITCH)
    return np.stack([x, cos - y * sin, -sin - y * cos], axis=2)


def _hit(rays: np.ndarray, eye: np.ndarray, thing: dict) -> np.ndarray:
    """Return the (H, W) depth of an object; inf where a ray misses it."""
    cos, sin = np.cos(thing["turned"]), np.sin(thing["turned"])
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    right, ahead, up = thing["foot"]
    a, b, height = thing["size"]
    rays, eye = rays @ turn.T, turn @ (eye - np.array([right, AHEAD + ahead, up]))
    if thing["kind"] == "box":
        ends = np.array([[-a / 2, -b / 2, 0], [a / 2, b / 2, height]])
        slabs = np.stack([(end - eye) / rays for end in ends])
        enter, leave = slabs.min(axis=0).max(axis=2), slabs.max(axis=0).min(axis=2)
    else:
        square = rays[..., 0] ** 2 + rays[..., 1] ** 2
        half = rays[..., 0] * eye[0] + rays[..., 1] * eye[1]
        root = np.sqrt(half**2 - square * (eye[0] ** 2 + eye[1] ** 2 - a**2))  # NaN beside it
        ends = np.stack([-eye[2] / rays[..., 2], (height - eye[2]) / rays[..., 2]])
        enter = np.maximum((-half - root) / square, ends.min(axis=0))
        leave = np.minimum((-half + root) / square, ends.max(axis=0))
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


SMALLEST = 100
SCENES = {
    "two boxes side by side, turned": [
        box(-0.1, 0, 0, (0.16, 0.12, 0.12), 25), box(0.09, -0.02, 0, (0.16, 0.12, 0.12), -30),
    ],
    "a box on a box": [box(0, 0, 0, (0.3, 0.22, 0.08)), box(0.02, 0.02, 0.08, (0.14, 0.1, 0.1), 20)],
    "a cylinder beside a box": [box(-0.08, 0, 0, (0.2, 0.1, 0.15)), cylinder(0.065, -0.02, 0, 0.045, 0.12)],
    "a box that another one cuts in two": [
        box(0, 0.1, 0, (0.4, 0.06, 0.1)), box(0, -0.05, 0, (0.08, 0.06, 0.25)),
    ],
}  # fmt: skip


def numbers_of(depth: np.ndarray, camera: Intrinsics = CAMERA) -> np.ndarray:
    found = find_support(depth, camera)
    return np.zeros(depth.shape, np.int32) if found is None else find_instances(found, SMALLEST)


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("guessed", [False, True])
def test_things_that_touch_are_found_one_by_one(name: str, guessed: bool) -> None:
    depth, truth = scene(*SCENES[name])
    camera = guessed_camera(depth.shape) if guessed else CAMERA
    found = overlap(numbers_of(depth, camera), truth)
    assert found.found == found.true == 2
    assert found.f > 0.85


@pytest.mark.parametrize("roll", [-40, 20, 40, 90, 180, -90])
def test_a_camera_may_be_rolled(roll: float) -> None:
    depth, truth = scene(*SCENES["a cylinder beside a box"], roll=roll)
    found = overlap(numbers_of(depth), truth)
    assert found.found == 2
    assert found.f > 0.85


@pytest.mark.parametrize("seed", range(3))
def test_nothing_stands_on_an_empty_table(seed: int) -> None:
    depth, _ = scene(seed=seed)
    assert not numbers_of(depth).any()
    assert not numbers_of(depth, guessed_camera(depth.shape)).any()


def test_a_box_with_three_faces_is_one_thing() -> None:
    depth, truth = scene(box(0, 0, 0, (0.2, 0.2, 0.15), 45))
    found = overlap(numbers_of(depth), truth)
    assert found.found == 1
    assert found.f > 0.9


def test_two_boxes_in_line_with_table_between_them_stay_two() -> None:
    depth, truth = scene(box(-0.15, 0, 0, (0.15, 0.1, 0.1)), box(0.15, 0, 0, (0.15, 0.1, 0.1)))
    found = overlap(numbers_of(depth), truth)
    assert found.found == 2
    assert found.f > 0.85
