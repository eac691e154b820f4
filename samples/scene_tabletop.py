"""The table-top scene for Mitsuba 3: meshes from numpy, procedural textures, materials and lights. Metres, z up.

The table's top is the plane z = 0, the camera looks towards +y. `OBJECTS` names the objects, whose ids in the masks
count from 1; all else (table, floor, wall, picture) is background, 0.
"""

from __future__ import annotations

from typing import Any

import mitsuba as mi
import numpy as np
import scene_textures as textures
from scene_shapes import Surface, revolve, smooth, tube

OBJECTS = ("mug", "cereal_box", "bottle", "tennis_ball", "banana", "bowl")
PROJECTOR = "infrared_projector"


def mug() -> list[Surface]:
    """Return body (outside, rim, inside, floor) and handle."""
    outside = [(0, 0.0), (0.036, 0), (0.040, 0.003), (0.041, 0.05), (0.041, 0.096), (0.0385, 0.0975)]
    inside = [(0.037, 0.093), (0.0365, 0.05), (0.035, 0.007), (0, 0.006)]
    body = smooth(outside + inside)

    def ear(t: np.ndarray) -> np.ndarray:
        a = np.pi * (0.5 - t) * 1.08
        return np.stack([0.037 + 0.029 * np.cos(a), 0 * a, 0.050 + 0.031 * np.sin(a)], 1)

    return [revolve(body), tube(ear, np.full(40, 0.0058))]


def bottle() -> list[Surface]:
    """Return an oil bottle with its cap."""
    knots = [(0, 0.002), (0.033, 0), (0.036, 0.004), (0.036, 0.08), (0.036, 0.15), (0.033, 0.178), (0.018, 0.200)]
    cap = [(0.0145, 0.215), (0.0142, 0.232), (0.0142, 0.236), (0.0168, 0.236), (0.0168, 0.2370), (0.0165, 0.262)]
    return [revolve(smooth([*knots, *cap, (0.0155, 0.264), (0, 0.264)], 160))]


def bowl() -> list[Surface]:
    """Return a bowl: foot, outside, rim, inside."""
    outside = [(0, 0.004), (0.036, 0.004), (0.038, 0), (0.041, 0.004), (0.062, 0.020), (0.078, 0.043), (0.084, 0.066)]
    inside = [(0.0835, 0.068), (0.081, 0.067), (0.074, 0.044), (0.057, 0.022), (0.034, 0.011), (0, 0.009)]
    return [revolve(smooth(outside + inside, 140))]


def banana() -> list[Surface]:
    """Return a banana that lies on its side: a bent, tapered tube with five lobes, beginning at the stem."""
    t = np.linspace(0, 1, 90)
    radii = np.interp(t, [0, 0.005, 0.10, 0.22, 0.5, 0.8, 0.95, 0.985, 1], [0, 5, 5.5, 14, 18, 16, 7.5, 5, 0]) / 1000
    radii = np.convolve(np.pad(radii, 2, mode="edge"), np.ones(5) / 5, "valid")
    radii[[0, -1]] = 0.0

    def bend(t: np.ndarray) -> np.ndarray:
        a = np.radians(-62 + 118 * t)
        return np.stack([0.098 * np.sin(a), 0 * a, 0.0 - 0.098 * np.cos(a)], 1)

    lying = tube(bend, radii, lobes=0.045).points[..., [0, 2, 1]]
    lying = lying[:, ::-1]  # swapping two axes mirrors the surface, so reverse its winding order
    lying[..., 2] -= lying[..., 2].min()
    return [Surface(lying + np.array([0, 0.08, 0]))]


def ball() -> list[Surface]:
    """Return a tennis ball on the table, rotated so that its seam is visible."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 65)
    sphere = revolve(0.0335 * np.stack([np.cos(angle), np.sin(angle)], 1)).points
    c, s = np.cos(0.9), np.sin(0.9)
    return [Surface(sphere @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) + (0, 0, 0.0335))]


def box_sides(width: float, depth: float, height: float) -> list[Surface]:
    """Return the six sides of a box on the table: front (-y), back, left, right, top, bottom. Textures are upright."""
    x, y = width / 2, depth / 2
    corners = [
        [(-x, -y, 0), (x, -y, 0), (-x, -y, height), (x, -y, height)],
        [(x, y, 0), (-x, y, 0), (x, y, height), (-x, y, height)],
        [(-x, y, 0), (-x, -y, 0), (-x, y, height), (-x, -y, height)],
        [(x, -y, 0), (x, y, 0), (x, -y, height), (x, y, height)],
        [(-x, -y, height), (x, -y, height), (-x, y, height), (x, y, height)],
        [(-x, y, 0), (x, y, 0), (-x, -y, 0), (x, -y, 0)],
    ]
    return [Surface(np.array(side, float).reshape(2, 2, 3)) for side in corners]


def bitmap(picture: np.ndarray) -> dict[str, Any]:
    """Return a texture with an sRGB picture (H, W, 3) in [0, 1]."""
    pixels = (picture * 255 + 0.5).astype(np.uint8)
    return {"type": "bitmap", "bitmap": mi.Bitmap(pixels), "raw": False}


def colour(red: float, green: float, blue: float) -> dict[str, Any]:
    """Return a uniform colour, sRGB in [0, 1]."""
    linear = [((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return {"type": "rgb", "value": linear}


def matt(base: dict[str, Any]) -> dict[str, Any]:
    """Return a material without gloss, which is fast to render."""
    return {"type": "diffuse", "reflectance": base}


def material(base: dict[str, Any], roughness: float, specular: float = 0.5, **more: Any) -> dict[str, Any]:
    """Return Disney's principled material (Burley 2012), not metallic."""
    return {"type": "principled", "base_color": base, "roughness": roughness, "specular": specular, **more}


def object_meshes(rng: np.random.Generator) -> dict[str, list[Any]]:
    """Return the meshes of each object in `OBJECTS`, at its place on the table."""
    blue = material(colour(0.10, 0.28, 0.62), 0.25, clearcoat=0.6, clearcoat_gloss=0.9)
    front = matt(bitmap(textures.cereal_front(rng)))
    side = matt(colour(0.86, 0.30, 0.08))
    glass = material(bitmap(textures.bottle_skin(rng)), 0.18, 0.6)
    felt = matt(bitmap(textures.tennis_felt(rng)))
    skin = material(bitmap(textures.banana_skin(rng)), 0.42)
    glaze = material(bitmap(textures.bowl_glaze(rng)), 0.22, clearcoat=0.5, clearcoat_gloss=0.9)
    box_at = {"at": (-0.11, 0.12, 0), "turn": 14}
    return {
        "mug": [s.mesh("mug", blue, at=(-0.15, -0.015, 0), turn=-28) for s in mug()],
        "cereal_box": [
            s.mesh("cereal_box", front if i < 2 else side, **box_at)
            for i, s in enumerate(box_sides(0.19, 0.062, 0.275))
        ],
        "bottle": [s.mesh("bottle", glass, at=(0.01, 0.03, 0), turn=250) for s in bottle()],
        "tennis_ball": [s.mesh("tennis_ball", felt, at=(-0.045, -0.13, 0), turn=40) for s in ball()],
        "banana": [s.mesh("banana", skin, at=(0.10, -0.17, 0), turn=18) for s in banana()],
        "bowl": [s.mesh("bowl", glaze, at=(0.165, -0.005, 0)) for s in bowl()],
    }


def room_meshes(rng: np.random.Generator) -> list[Any]:
    """Return the background: a wooden table, parquet, a painted wall with a skirting board and a framed picture."""
    oak = material(bitmap(textures.boards(rng, (768, 1024), 6, (0.38, 0.23, 0.12), (0.74, 0.54, 0.34))), 0.38, 0.4)
    plain = matt(colour(0.52, 0.35, 0.20))
    parquet = matt(bitmap(textures.boards(rng, (1536, 1024), 18, (0.28, 0.20, 0.15), (0.52, 0.40, 0.30))))
    paint = matt(bitmap(textures.plaster(rng, (768, 1024), (0.70, 0.75, 0.76))))
    white = matt(colour(0.90, 0.90, 0.88))
    art = matt(bitmap(textures.picture_frame(rng)))
    top = [s.points - (0, 0, 0.032) for s in box_sides(1.25, 0.78, 0.032)]
    meshes = [Surface(p).mesh("table", oak if i == 4 else plain) for i, p in enumerate(top)]
    for x, y in ((-0.57, -0.34), (0.57, -0.34), (-0.57, 0.34), (0.57, 0.34)):
        meshes += [s.mesh("leg", plain, at=(x, y, -0.74)) for s in box_sides(0.06, 0.06, 0.71)]
    floor = np.array([(-3, -3, 0), (3, -3, 0), (-3, 3, 0), (3, 3, 0)], float).reshape(2, 2, 3)
    wall = np.array([(-3, 0, 0), (3, 0, 0), (-3, 0, 2.6), (3, 0, 2.6)], float).reshape(2, 2, 3)
    meshes += [Surface(floor).mesh("floor", parquet, at=(0, 0, -0.74))]
    meshes += [Surface(wall).mesh("wall", paint, at=(0, 1.15, -0.74))]
    meshes += [s.mesh("skirting", white, at=(0, 1.14, -0.74)) for s in box_sides(6, 0.02, 0.09)]
    meshes += [
        s.mesh("picture", art if i == 0 else plain, at=(0.28, 1.14, 0.06))
        for i, s in enumerate(box_sides(0.60, 0.02, 0.45))
    ]
    return meshes


def lights() -> dict[str, Any]:
    """Return a window on the left, a lamp above, and a constant light for the reflections of the room."""
    look = mi.ScalarTransform4f().look_at
    window = look(origin=[-1.9, -0.5, 1.1], target=[0, 0, 0], up=[0, 0, 1])
    lamp = look(origin=[0.5, -0.7, 1.75], target=[0.1, 0, 0], up=[0, 1, 0])
    return {
        "window": {
            "type": "rectangle",
            "to_world": window @ mi.ScalarTransform4f().scale([0.55, 0.7, 1]),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [5.6, 6.2, 7.0]}},
        },
        "lamp": {
            "type": "rectangle",
            "to_world": lamp @ mi.ScalarTransform4f().scale([0.28, 0.28, 1]),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [17.0, 14.5, 11.0]}},
        },
        "room_light": {"type": "constant", "radiance": {"type": "rgb", "value": [0.20, 0.195, 0.19]}},
    }


def build(seed: int) -> tuple[Any, Any, np.ndarray]:
    """Return the scene in daylight, the scene lit by the Kinect's projector only, and the object id of every shape.

    The third value is (shapes + 1,) uint8, indexed by Mitsuba's `shape_index` aov (0 = no shape).
    """
    rng = np.random.default_rng(seed)
    objects = object_meshes(rng)
    meshes = [(object_id, mesh) for object_id, name in enumerate(OBJECTS, 1) for mesh in objects[name]]
    meshes += [(0, mesh) for mesh in room_meshes(rng)]
    shapes = {f"shape_{i:03d}": mesh for i, (_, mesh) in enumerate(meshes)}
    projector = {"type": "point", "position": [0, 0, 1], "intensity": {"type": "rgb", "value": 1.0}}
    day = mi.load_dict({"type": "scene", **shapes, **lights()})
    dark = mi.load_dict({"type": "scene", **shapes, PROJECTOR: projector})
    return day, dark, np.array([0] + [object_id for object_id, _ in meshes], np.uint8)
