"""Smooths a path-traced picture with few light paths a pixel, guided by what the renderer knows about the surfaces.

H. Dammertz et al., "Edge-Avoiding A-Trous Wavelet Transform for fast Global Illumination Filtering", HPG 2010: a
5 x 5 B-spline repeated with growing gaps; taps on another surface, or much brighter or darker, count little.
"""

from __future__ import annotations

import cv2
import numpy as np

SPLINE = (1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16)


def denoise(colour: np.ndarray, albedo: np.ndarray, normal: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Linear RGB (H, W, 3) without most of its noise.

    `albedo` (H, W, 3), `normal` (H, W, 3) of length 1 and `depth` (H, W) [m] tell surfaces and their patterns apart.
    """
    light = colour.astype(np.float32)
    light = np.minimum(light, 3 * cv2.medianBlur(light, 5) + 0.02)  # single very bright paths: fireflies
    guide = np.concatenate([normal * 8, np.log(np.maximum(depth, 0.05))[..., None] * 30, albedo * 16], 2)
    for level in range(4):
        light = smooth(light, guide.astype(np.float32), 2**level, tolerance=0.35 * 0.7**level)
    return light


def smooth(light: np.ndarray, guide: np.ndarray, gap: int, tolerance: float) -> np.ndarray:
    """One pass over `light` (H, W, 3): 25 taps, `gap` pixels apart; `tolerance` for log brightness."""
    rows, columns = light.shape[:2]
    bright = np.log(cv2.blur(light.mean(axis=2), (3, 3)) + 0.02)[..., None]
    reach = 2 * gap
    stack = np.concatenate([light, guide / np.sqrt(gap), bright / tolerance], 2)
    stack = np.pad(stack, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    here = stack[reach : reach + rows, reach : reach + columns, 3:]
    total, weights = np.zeros_like(light), np.zeros((rows, columns, 1), np.float32)
    for i, vertical in enumerate(SPLINE):
        for j, horizontal in enumerate(SPLINE):
            there = stack[i * gap : i * gap + rows, j * gap : j * gap + columns]
            unlike = ((there[..., 3:] - here) ** 2).sum(axis=2, keepdims=True)
            weight = vertical * horizontal * np.exp(-unlike)
            total += weight * there[..., :3]
            weights += weight
    return total / weights
