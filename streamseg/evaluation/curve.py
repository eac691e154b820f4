"""Compute the K-Means distortion over k on the features of a recording, and its knee, by which `--k auto` chooses k."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamseg.clustering.kmeans import kmeans
from streamseg.clustering.knee import find_knee
from streamseg.config import ClusteringConfig
from streamseg.errors import FrameError
from streamseg.features.descriptors import Descriptors
from streamseg.runtime.session import Session
from streamseg.sources import Recording

FRAMES, CELLS = 8, 2048
"""Up to 8 frames, spread evenly, and up to 2048 of their cells, drawn at random, are clustered."""


def distortion_curve(session: Session, settings: ClusteringConfig) -> dict[str, Any]:
    """Return {"k": [...], "distortion": [...], "knee": k, "by": how the knee was found}, with at least one k.

    The distortion is the mean squared distance of a cell to its centroid. Cells are clustered by features and position
    alone, without depth.
    """
    source = session.source
    assert isinstance(source, Recording)
    maps = []
    for index in np.unique(np.linspace(0, len(source) - 1, FRAMES).round().astype(int)).tolist():
        try:
            maps.append(session.segmenter.features(source[index]))
        except FrameError:
            continue
    descriptors = Descriptors(settings.pca, settings.position)
    descriptors.fit(maps)
    cells = np.concatenate([descriptors(features) for features in maps])
    if len(cells) > CELLS:
        cells = cells[np.random.default_rng(settings.seed).choice(len(cells), CELLS, replace=False)]
    low, high = settings.k_range
    curve = {k: kmeans(cells, k, seed=settings.seed, restarts=3).distortion / len(cells) for k in range(low, high + 1)}
    knee = find_knee(curve)
    return {"k": list(curve), "distortion": list(curve.values()), "knee": knee.k, "by": knee.by}
