"""Denoises a path-traced picture with few light paths per pixel, guided by the surfaces that the renderer knows.

H. Dammertz et al., "Edge-Avoiding A-Trous Wavelet Transform for fast Global Illumination Filtering", HPG 2010: a
5 x 5 B-spline filter, repeated with growing gaps between its taps. Taps on another surface, and taps that are much
brighter or darker, have small weights.
"""

from __future__ import annotations

import cv2
import numpy as np

SPLINE = (1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16)


def denoise(colour: np.ndarray, albedo: np.ndarray, normal: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the linear RGB picture `colour` (H, W, 3) with most of its noise removed.

    `albedo` (H, W, 3), `normal` (H, W, 3) of length 1 and `depth` (H, W) [m] distinguish surfaces and their patterns.
    """
    light = colour.astype(np.float32)
    light = np.minimum(light, 3 * cv2.medianBlur(light, 5) + 0.02)  # removes fireflies: single very bright paths
    guide = np.concatenate([normal * 8, np.log(np.maximum(depth, 0.05))[..., None] * 30, albedo * 16], 2)
    for level in range(4):
        light = smooth(light, guide.astype(np.float32), 2**level, tolerance=0.35 * 0.7**level)
    return light


def smooth(light: np.ndarray, guide: np.ndarray, gap: int, tolerance: float) -> np.ndarray:
    """Filter `light` (H, W, 3) once, with 25 taps that are `gap` pixels apart. guide: (H, W, C), whose differences
    lower the weights. tolerance: difference of the log brightness that lowers a weight to 1/e."""
    rows, columns = light.shape[:2]
    bright = np.log(cv2.blur(light.mean(axis=2), (3, 3)) + 0.02)[..., None]
    reach = 2 * gap
    stack = np.concatenate([light, guide / np.sqrt(gap), bright / tolerance], 2)
    stack = np.pad(stack, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    centre = stack[reach : reach + rows, reach : reach + columns, 3:]
    total, weights = np.zeros_like(light), np.zeros((rows, columns, 1), np.float32)
    for i, vertical in enumerate(SPLINE):
        for j, horizontal in enumerate(SPLINE):
            tap = stack[i * gap : i * gap + rows, j * gap : j * gap + columns]
            difference = ((tap[..., 3:] - centre) ** 2).sum(axis=2, keepdims=True)
            weight = vertical * horizontal * np.exp(-difference)
            total += weight * tap[..., :3]
            weights += weight
    return total / weights
