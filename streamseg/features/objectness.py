"""Objectness: how much each cell looks like a part of an object, from the outputs of a network.

CNN: the activation energy, the root mean square of the activations of the last layer. A network that was trained to
classify objects is strongly activated on them, and weakly on grass, walls and sky. On seven labelled recordings the
area under the ROC curve is 0.94.

ViT: the attention of the CLS token (DINO, arXiv:2104.14294), relative to the attention that the same places get in
images without content. The area is 0.94, and 0.89 without this correction.

Network with a foreground head: the geometric mean of either and the output of the head. The head is better on objects
like those that it was trained on, the other one elsewhere. A head that is unreliable on other objects (method `odin`)
is used for regions only, with half its weight: see docs/benchmarks/training.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

UNSURE = 0.5
"""Weight of the output of a head that is used for regions only."""
GRAYS = 0.0, 0.25, 0.5, 0.75, 1.0
"""Brightness of the images without content."""
Outputs = Mapping[str, np.ndarray]
"""See `Backbone.run`."""


def objectness_of(outputs: Outputs, blank: np.ndarray | None = None) -> np.ndarray | None:
    """Return the objectness, (B, h, w) float32 >= 0, a copy; None if the outputs have none of what it needs.

    outputs: of `Backbone.run`. blank: (h, w) float32, see `attention_to_blank`; None = no correction.
    """
    without_head, foreground = _objectness_without_head(outputs, blank), outputs.get("foreground")
    if foreground is None:
        return without_head
    head: np.ndarray = foreground[:, 0]
    return head.copy() if without_head is None else np.sqrt(head * without_head)


def foreground_of(outputs: Mapping[str, Any]) -> Any:
    """Return the output of the foreground head for regions, (B, 1, h, w); None without a head.

    outputs: arrays or tensors of `Backbone.run`.
    """
    if "region_foreground" in outputs:
        return UNSURE * outputs["region_foreground"]
    return outputs.get("foreground")


def _objectness_without_head(outputs: Outputs, blank: np.ndarray | None) -> np.ndarray | None:
    """Return the objectness by energy or attention, (B, h, w) float32, a copy; None if there is neither."""
    if "energy" in outputs:
        return outputs["energy"][:, 0].copy()
    if "attention" in outputs:
        attention = outputs["attention"].mean(axis=1)
        if blank is not None:
            attention = attention / np.maximum(blank, 1e-9)
        return np.stack([_smoothed(image) for image in attention])
    return None


def attention_to_blank(run: Callable[[np.ndarray], Outputs], size: tuple[int, int]) -> np.ndarray | None:
    """Return the mean attention in plain grey images, (h, w) float32; None for a network without attention.

    It is the attention that a place gets whatever the image shows, which is highest in the corners. run: as
    `Backbone.run`. size: (H, W) of the images.
    """
    maps = []
    for gray in GRAYS:
        outputs = run(np.full((1, 3, *size), gray, np.float32))
        if "attention" not in outputs:
            return None
        maps.append(outputs["attention"][0].mean(axis=0))
    blank: np.ndarray = np.mean(maps, axis=0)
    return blank


def _smoothed(attention: np.ndarray) -> np.ndarray:
    """Reduce the outliers of a (h, w) attention map and smooth it. Returns (h, w) float32.

    A ViT attends to a few patches whatever the image shows (Darcet et al., 2023, arXiv:2309.16588).
    """
    level = np.minimum(attention, np.quantile(attention, 0.95))
    return np.asarray(cv2.GaussianBlur(np.sqrt(level), (0, 0), 1.0), np.float32)
