"""Procedural textures of the table-top scene: wood, parquet, plaster, printed labels. All are pure functions.

All return (H, W, 3) float32 in [0, 1], sRGB-encoded, row 0 = the top of the picture (v = 1).
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

Rgb = tuple[float, float, float]


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int = 4) -> np.ndarray:
    """Return fractal value noise, (H, W) float32 with mean 0 and standard deviation 1. cells: (rows, columns) of the
    coarsest octave."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        grid = rng.standard_normal((cells[0] * 2**octave + 1, cells[1] * 2**octave + 1)).astype(np.float32)
        total += cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC) * 0.55**octave
    return (total - total.mean()) / total.std()


def blend(low: Rgb, high: Rgb, t: np.ndarray) -> np.ndarray:
    """Mix two colours by `t` (H, W) in [0, 1]."""
    t = np.clip(t, 0, 1)[..., None]
    return np.asarray(low, np.float32) * (1 - t) + np.asarray(high, np.float32) * t


def boards(rng: np.random.Generator, shape: tuple[int, int], count: int, dark: Rgb, light: Rgb) -> np.ndarray:
    """Wooden boards with the grain along the picture's width: warped growth rings, pores, and a tint per board."""
    edges = np.linspace(0, shape[0], count + 1).astype(int)
    rows = []
    for top, bottom in pairwise(edges):
        size = (bottom - top, shape[1])
        across = np.linspace(-1, 1, size[0], dtype=np.float32)[:, None] + rng.uniform(-0.7, 0.7)
        rings = np.sin(2 * np.pi * (4.5 * np.abs(across) + 0.55 * noise(rng, size, (2, 3), 3)))
        fibres = noise(rng, size, (max(size[0] // 5, 1), 10), 2)
        pores = (noise(rng, size, (max(size[0] // 3, 1), 36), 1) > 1.9).astype(np.float32)
        tone = 0.5 + 0.16 * rings + 0.13 * fibres + rng.uniform(-0.16, 0.16) - 0.3 * pores
        tone[:2], tone[-2:] = tone[:2] - 0.5, tone[-2:] - 0.5  # the gap between two boards
        rows.append(blend(dark, light, tone))
    return np.concatenate(rows)


def plaster(rng: np.random.Generator, shape: tuple[int, int], colour: Rgb) -> np.ndarray:
    """A painted wall, uneven at two scales."""
    rough = 0.012 * noise(rng, shape, (64, 64), 3) + 0.02 * noise(rng, shape, (3, 3), 3)
    return np.clip(np.asarray(colour, np.float32) + rough[..., None], 0, 1)


def print_text(picture: np.ndarray, text: str, x: float, y: float, height: float, colour: Rgb) -> None:
    """Write `text` into `picture`, centred at (x, y). x is relative to the width; y and the height of the letters,
    `height`, are relative to the height."""
    rows, columns = picture.shape[:2]
    font, thick = cv2.FONT_HERSHEY_DUPLEX, max(round(rows * height / 6), 1)
    scale = cv2.getFontScaleFromHeight(font, round(rows * height), thick)
    (width, tall), _ = cv2.getTextSize(text, font, scale, thick)
    origin = (round(x * columns - width / 2), round(y * rows + tall / 2))
    ink = cv2.putText(np.zeros((rows, columns), np.uint8), text, origin, font, scale, 255, thick, cv2.LINE_AA)
    weight = ink[..., None] / np.float32(255)
    picture[:] = picture * (1 - weight) + np.asarray(colour, np.float32) * weight


def cereal_front(rng: np.random.Generator, shape: tuple[int, int] = (768, 512)) -> np.ndarray:
    """The front of a cereal box: sunrise over a bowl of hoops, a name, a price flash."""
    rows, columns = shape
    picture = blend((0.93, 0.42, 0.08), (0.80, 0.10, 0.08), np.linspace(0, 1, rows, dtype=np.float32)[:, None])
    picture = np.repeat(picture, columns, 1).astype(np.float32)
    centre = (columns // 2, round(rows * 0.62))
    for ray in range(0, 360, 24):
        cv2.ellipse(picture, centre, (rows, rows), ray, 0, 10, (0.98, 0.62, 0.12), -1, cv2.LINE_AA)
    cv2.rectangle(picture, (0, round(rows * 0.09)), (columns, round(rows * 0.30)), (0.10, 0.16, 0.45), -1)
    print_text(picture, "HONEY HOOPS", 0.5, 0.165, 0.07, (1.0, 0.95, 0.80))
    print_text(picture, "WHOLE GRAIN CEREAL", 0.5, 0.255, 0.03, (0.95, 0.75, 0.25))
    cv2.ellipse(picture, centre, (190, 70), 0, 0, 360, (0.97, 0.97, 0.95), -1, cv2.LINE_AA)
    cv2.ellipse(picture, centre, (190, 165), 0, 0, 180, (0.93, 0.94, 0.96), -1, cv2.LINE_AA)
    cv2.ellipse(picture, centre, (168, 56), 0, 0, 360, (0.88, 0.86, 0.80), -1, cv2.LINE_AA)
    for _ in range(90):
        angle, radius = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform())
        spot = (round(centre[0] + 150 * radius * np.cos(angle)), round(centre[1] + 46 * radius * np.sin(angle)))
        tint = rng.uniform(0.75, 1.05)
        cv2.ellipse(picture, spot, (13, 9), 0, 0, 360, (0.80 * tint, 0.52 * tint, 0.20 * tint), 6, cv2.LINE_AA)
    cv2.circle(picture, (round(columns * 0.83), round(rows * 0.41)), 54, (0.98, 0.90, 0.15), -1, cv2.LINE_AA)
    print_text(picture, "500 g", 0.83, 0.41, 0.03, (0.7, 0.05, 0.05))
    return np.clip(picture, 0, 1)


def bottle_skin(rng: np.random.Generator, shape: tuple[int, int] = (512, 1024)) -> np.ndarray:
    """Around a bottle: dark green body, white cap, a printed paper label (u around, v from bottom to top)."""
    picture = np.empty((*shape, 3), np.float32)
    picture[:] = (0.05, 0.30, 0.13)
    picture[: round(shape[0] * 0.115)] = (0.93, 0.93, 0.90)
    top, bottom = round(shape[0] * 0.55), round(shape[0] * 0.86)
    picture[top:bottom] = (0.94, 0.91, 0.82)
    picture[top + 6 : top + 16] = picture[bottom - 16 : bottom - 6] = (0.70, 0.10, 0.12)
    for x in (0.0, 0.25, 0.5, 0.75, 1.0):
        print_text(picture, "OLIVA", x, 0.665, 0.075, (0.10, 0.25, 0.10))
        print_text(picture, "extra virgin", x, 0.765, 0.035, (0.45, 0.10, 0.10))
    return np.clip(picture + 0.008 * noise(rng, shape, (64, 64), 2)[..., None], 0, 1)


def banana_skin(rng: np.random.Generator, shape: tuple[int, int] = (256, 512)) -> np.ndarray:
    """Along a banana (v from stem to tip): yellow, green towards the stem, brown ends and freckles."""
    along = np.linspace(1, 0, shape[0], dtype=np.float32)[:, None] * np.ones((1, shape[1]), np.float32)
    picture = blend((0.97, 0.80, 0.16), (0.72, 0.74, 0.22), 1.0 - along * 4.5)
    ends = np.maximum((0.07 - along) / 0.03, (along - 0.955) / 0.02) + 0.15 * noise(rng, shape, (16, 16), 2)
    freckles = (noise(rng, shape, (24, 24), 2) > 2.1) * 0.65
    stripes = 0.06 * (np.sin(np.linspace(0, 10 * np.pi, shape[1])) > 0.93).astype(np.float32)
    brown = np.clip(np.maximum(ends, freckles) + stripes, 0, 1)[..., None]
    return np.clip(picture * (1 - brown) + np.asarray((0.24, 0.16, 0.08), np.float32) * brown, 0, 1)


def bowl_glaze(rng: np.random.Generator, shape: tuple[int, int] = (512, 512)) -> np.ndarray:
    """Around a bowl, from the foot outside (v = 0) over the rim to the middle inside: cream with two blue bands."""
    v = np.linspace(1, 0, shape[0], dtype=np.float32)[:, None] * np.ones((1, shape[1]), np.float32)
    picture = blend((0.90, 0.87, 0.80), (0.94, 0.91, 0.85), 0.5 + 0.3 * noise(rng, shape, (8, 8), 3))
    wobble = 0.004 * noise(rng, shape, (4, 4), 3)
    for low, high in ((0.33, 0.40), (0.425, 0.44), (0.52, 0.535)):
        band = (v + wobble > low) & (v + wobble < high)
        picture[band] = (0.13, 0.23, 0.55)
    return picture


def tennis_felt(rng: np.random.Generator, shape: tuple[int, int] = (512, 1024)) -> np.ndarray:
    """A tennis ball in longitude and latitude: fluffy yellow-green felt and the white seam curve."""
    latitude, longitude = np.mgrid[0.5 * np.pi : -0.5 * np.pi : shape[0] * 1j, 0 : 2 * np.pi : shape[1] * 1j]
    a = 0.44  # the seam of a tennis ball, x = a cos t + b cos 3t ..., is close to this level set on the sphere
    x, y, z = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
    seam = np.abs(z - a * 2.2 * (x**2 - y**2)) < 0.075
    felt = blend((0.66, 0.76, 0.10), (0.84, 0.92, 0.25), 0.5 + 0.28 * noise(rng, shape, (48, 96), 3))
    felt[seam] = (0.93, 0.93, 0.88)
    return felt.astype(np.float32)


def picture_frame(rng: np.random.Generator, shape: tuple[int, int] = (384, 512)) -> np.ndarray:
    """A framed landscape for the wall: sky, hills, a passe-partout and a dark frame."""
    rows, columns = shape
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None] * np.ones((1, columns), np.float32)
    picture = blend((0.45, 0.62, 0.80), (0.90, 0.85, 0.75), y * 1.6 + 0.08 * noise(rng, shape, (4, 4), 4))
    for level, colour in ((0.50, (0.42, 0.50, 0.55)), (0.62, (0.30, 0.42, 0.30)), (0.75, (0.45, 0.42, 0.20))):
        ridge = level + 0.05 * noise(rng, (1, columns), (1, 4), 4)
        picture[y > ridge] = colour
    picture += 0.02 * noise(rng, shape, (64, 64), 2)[..., None]
    for border, colour in ((44, (0.92, 0.90, 0.85)), (18, (0.13, 0.09, 0.06))):
        picture[:border], picture[-border:], picture[:, :border], picture[:, -border:] = colour, colour, colour, colour
    return np.clip(picture, 0, 1).astype(np.float32)
