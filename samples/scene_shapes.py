"""Shapes of the rendered clip: surfaces of revolution, tubes and smooth curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mitsuba as mi
import numpy as np


@dataclass(frozen=True)
class Surface:
    """A grid of points (rows, columns, 3) [m], smooth-shaded; texture u runs along columns, v along rows."""

    points: np.ndarray

    def mesh(self, name: str, bsdf: dict[str, Any], **place: Any) -> Any:
        """Return a Mitsuba mesh with normals and texture coordinates, rotated by `turn` degrees about z and then moved
        to `at` [m]."""
        rows, columns, _ = self.points.shape
        v, u = np.mgrid[1 : 0 : rows * 1j, 0 : 1 : columns * 1j]  # in Mitsuba v = 0 is the top of a bitmap
        down, right = np.gradient(self.points, axis=0), np.gradient(self.points, axis=1)
        if np.allclose(self.points[:, 0], self.points[:, -1]):  # closed surface: smooth normals where its ends meet
            right[:, 0] = right[:, -1] = (self.points[:, 1] - self.points[:, -2]) / 2
        normals = np.cross(right, down)
        length = np.linalg.norm(normals, axis=2, keepdims=True)
        normals = np.where(length > 1e-12, normals / np.maximum(length, 1e-12), 0)
        for pole, beside in ((0, 1), (-1, -2)):  # at a pole all columns meet: use the mean normal of the ring beside it
            if np.ptp(self.points[pole], axis=0).max() < 1e-9:
                mean = normals[beside].mean(axis=0)
                normals[pole] = mean / np.linalg.norm(mean)
        at = np.arange(rows * columns).reshape(rows, columns)
        a, b, c, d = at[:-1, :-1].ravel(), at[:-1, 1:].ravel(), at[1:, :-1].ravel(), at[1:, 1:].ravel()
        faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
        turn = turn_about_z(place.get("turn", 0.0))
        positions = self.points.reshape(-1, 3) @ turn.T + np.asarray(place.get("at", (0, 0, 0)))
        properties = mi.Properties()
        properties["bsdf"] = mi.load_dict({"type": "twosided", "inner": bsdf})
        mesh = mi.Mesh(name, rows * columns, len(faces), properties, True, True)
        buffers = mi.traverse(mesh)
        buffers["vertex_positions"] = positions.astype(np.float32).ravel()
        buffers["vertex_normals"] = (normals.reshape(-1, 3) @ turn.T).astype(np.float32).ravel()
        buffers["vertex_texcoords"] = np.stack([u, v], 2).astype(np.float32).ravel()
        buffers["faces"] = faces.astype(np.uint32).ravel()
        buffers.update()
        return mesh


def turn_about_z(degrees: float) -> np.ndarray:
    """Return the rotation matrix (3, 3) about the z axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def smooth(knots: list[tuple[float, float]], count: int = 96) -> np.ndarray:
    """Return a smooth curve (count, 2) near `knots`: corners are cut twice (Chaikin 1974), points are equally
    spaced."""
    line = np.asarray(knots, float)
    for _ in range(2):
        cut = np.stack([0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]], 1).reshape(-1, 2)
        line = np.concatenate([line[:1], cut, line[-1:]])
    arc_length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, arc_length[-1], count)
    return np.stack([np.interp(at, arc_length, line[:, i]) for i in (0, 1)], 1)


def revolve(profile: np.ndarray, columns: int = 96) -> Surface:
    """Return the surface of revolution about z. profile: (rows, 2) radius and height [m]."""
    angle = np.linspace(0, 2 * np.pi, columns + 1)
    radius, height = profile[:, :1], np.repeat(profile[:, 1:], columns + 1, 1)
    return Surface(np.stack([radius * np.cos(angle), radius * np.sin(angle), height], 2))


def tube(path: Callable[[np.ndarray], np.ndarray], radii: np.ndarray, lobes: float = 0.0) -> Surface:
    """Return a tube along a curve in the x-z plane. path: curve parameters (rows,) in [0, 1] -> points (rows, 3) [m].
    radii: (rows,) [m]. lobes: depth of the five lobes of the cross section, relative to the radius."""
    t = np.linspace(0, 1, len(radii))
    spine = path(t)
    tangent = np.gradient(spine, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.array([0.0, 1.0, 0.0])
    up = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, 49)[None, :, None]
    radius = radii[:, None, None] * (1 + lobes * np.cos(5 * angle))
    return Surface(spine[:, None] + radius * (np.cos(angle) * side + np.sin(angle) * up[:, None]))
