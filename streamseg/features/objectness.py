"""Objectness: where the outputs of a network show objects.

CNN: the activation energy. A network that was trained to classify objects is strongly activated on them and weakly on
grass, walls and sky: the root mean square of the activations of its last layer separates object from background with an
area under the ROC curve of 0.94 on seven labelled recordings.

Network with a foreground head: the geometric mean of the energy and the output of the head. The head is better on
objects like those it was trained on, and unreliable elsewhere, where the energy is better.

A head that is unreliable on objects that it was not trained on (`odin`) is used for regions only, and counts half
there: see docs/benchmarks/training.md.

ViT: the attention of the CLS token (DINO, arXiv:2104.14294), relative to the attention that the same places get in
images without content: area 0.94, and 0.89 without this correction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

UNSURE = 0.5
"""What the answer of a head counts that is for regions alone."""
Outputs = Mapping[str, np.ndarray]
GRAYS = 0.0, 0.25, 0.5, 0.75, 1.0
"""Of the pictures with nothing in them."""


def objectness_of(outputs: Outputs, blank: np.ndarray | None = None) -> np.ndarray | None:
    """(B, h, w) float32 >= 0, a copy, from what a backbone gave; None where that is none of them.

    blank: (h, w) float32, see `attention_to_blank`.
    """
    own, answer = _untaught(outputs, blank), outputs.get("foreground")
    if answer is None:
        return own
    taught: np.ndarray = answer[:, 0]
    return taught.copy() if own is None else np.sqrt(taught * own)


def foreground_of(outputs: Mapping[str, Any]) -> Any:
    """(B, 1, h, w), what a foreground head answers, for regions; None where there is no head."""
    if "region_foreground" in outputs:
        return UNSURE * outputs["region_foreground"]
    return outputs.get("foreground")


def _untaught(outputs: Outputs, blank: np.ndarray | None) -> np.ndarray | None:
    """The same of what any network gives, a head aside."""
    if "energy" in outputs:
        return outputs["energy"][:, 0].copy()
    if "attention" in outputs:
        attention = outputs["attention"].mean(axis=1)
        return np.stack([_spread(one if blank is None else one / np.maximum(blank, 1e-9)) for one in attention])
    return None


def attention_to_blank(run: Callable[[np.ndarray], Outputs], size: tuple[int, int]) -> np.ndarray | None:
    """(h, w) float32: the mean attention in pictures of one grey each, hence what a place gets for being where it is:
    corners most of all. None for networks without attention. run: see `Backbone.run`; size: (H, W) of its images."""
    maps = []
    for gray in GRAYS:
        outputs = run(np.full((1, 3, *size), gray, np.float32))
        if "attention" not in outputs:
            return None
        maps.append(outputs["attention"][0].mean(axis=0))
    blank: np.ndarray = np.mean(maps, axis=0)
    return blank


def _spread(attention: np.ndarray) -> np.ndarray:
    """A ViT parks most of its attention on a few patches: they count as much as the next ones, and their neighbours
    a little (Darcet et al., 2023, arXiv:2309.16588)."""
    level = np.minimum(attention, np.quantile(attention, 0.95))
    return np.asarray(cv2.GaussianBlur(np.sqrt(level), (0, 0), 1.0), np.float32)
