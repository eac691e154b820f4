"""The operations on features, for arrays in host memory (`x.py`) or tensors on the network's device (`x_torch.py`).

One of the two sets is chosen once for a session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from streamseg.clustering.codebook import Codebook
from streamseg.masks.upsample import upsample_labels


class Operations(NamedTuple):
    """points: (Descriptors, (D, h, w) features, (H, W) depth or None) -> (h w, d). step: (Codebook, points) -> (h w, k)
    squared distances. to_host: array or tensor -> array. upload: (array, array or tensor) -> the array on the device of
    the latter. concatenate: list of (D, h, w) maps -> one map with all channels. labels: (distances, ids, features,
    rgb, pixels, depth guide, radius) -> (H, W) uint8 ids in host memory; pixels: see `FeatureFrame`."""

    points: Callable[..., Any]
    step: Callable[[Codebook, Any], Any]
    to_host: Callable[[Any], np.ndarray]
    upload: Callable[[np.ndarray, Any], Any]
    concatenate: Callable[[list[Any]], Any]
    labels: Callable[..., np.ndarray]


def _points(descriptors: Callable[..., np.ndarray], features: np.ndarray, depth: np.ndarray | None) -> np.ndarray:
    return descriptors(features, depth)


def _labels(
    distances: np.ndarray,
    ids: Sequence[int],
    features: np.ndarray,
    rgb: np.ndarray,
    pixels: None,
    depth_guide: np.ndarray | None,
    radius: float,
) -> np.ndarray:
    scores = np.ascontiguousarray(-distances.T).reshape(len(ids), *features.shape[1:])
    table = np.zeros(256, np.uint8)
    table[: len(ids)] = ids
    return cv2.LUT(upsample_labels(scores, rgb, depth_guide, radius=radius), table)


HOST = Operations(_points, Codebook.step, np.asarray, lambda array, _: array, np.concatenate, _labels)


def on_device() -> Operations:
    """Return the operations for tensors. Imports torch."""
    import torch

    from streamseg.clustering import codebook_torch
    from streamseg.features import descriptors_torch
    from streamseg.masks import resampling_torch, upsample_torch

    def labels(
        distances: Any, ids: Sequence[int], features: Any, rgb: np.ndarray, pixels: Any, guide: Any, radius: float
    ) -> np.ndarray:
        scores = (-distances.T).reshape(len(ids), *features.shape[1:])
        return upsample_torch.with_ids(upsample_torch.upsample_labels(scores, pixels, guide, radius=radius), ids)

    return Operations(
        descriptors_torch.points,
        codebook_torch.step,
        lambda values: values.cpu().numpy(),
        resampling_torch.upload,
        torch.cat,
        labels,
    )
