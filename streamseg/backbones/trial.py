"""Tests whether the outputs of a network from an exported file match its metadata, before the first frame."""

from __future__ import annotations

import numpy as np

from streamseg.backbones.contract import Backbone
from streamseg.errors import ModelError


def check(backbone: Backbone) -> None:
    """Run a network on a random image. Raises ModelError if it fails, or if its features do not have the shape that
    `dim` and `stride` say, or are not finite."""
    height, width = backbone.size
    picture = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    features = backbone.run(picture)["features"]
    wanted = (1, backbone.dim, height // backbone.stride, width // backbone.stride)
    if features.shape != wanted:
        raise ModelError(
            f"{backbone.name} gives features of the shape {features.shape}; its dim and stride tell {wanted}",
            "export it again, with metadata_props `dim` and `stride` that fit",
        )
    check_numbers(backbone, features)


def check_numbers(backbone: Backbone, features: np.ndarray) -> None:
    """Raise ModelError if features contain NaN or infinite values."""
    if not np.isfinite(features.sum()):
        raise ModelError(
            f"{backbone.name} gives features that are not finite (NaN or infinite)",
            "try --precision fp32; if it is so there, too, its weights are damaged: copy, train or export it again",
        )
