"""One run of a network that came as a file, before any frame does: does it give what it says?"""

from __future__ import annotations

import numpy as np

from streamseg.backbones.contract import Backbone
from streamseg.errors import ModelError


def check(backbone: Backbone) -> None:
    """Raise ModelError where the features of a made-up picture have another shape than `dim` and `stride` tell, or are
    no numbers, or where the network cannot run at all."""
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
    """Raise ModelError where `features` hold a NaN or an infinity."""
    if not np.isfinite(features.sum()):
        raise ModelError(
            f"{backbone.name} gives features that are not finite (NaN or infinite)",
            "try --precision fp32; if it is so there, too, its weights are damaged: copy, train or export it again",
        )
