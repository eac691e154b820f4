"""K-Means distortion over k on the features of a recording, and the knee: what `--k auto` looks at."""

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


def distortion_curve(session: Session, settings: ClusteringConfig) -> dict[str, Any]:
    """{"k": [...], "distortion": [...] (mean squared distance of a cell to its centroid), "knee": k, "by": how}.

    Of up to FRAMES frames, spread evenly, of which CELLS cells are drawn; of features and places alone. One k at least.
    """
    source = session.source
    assert isinstance(source, Recording)
    maps = []
    for index in np.unique(np.linspace(0, len(source) - 1, FRAMES).round().astype(int)).tolist():
        try:
            maps.append(session.segmenter.features(source[index]))
        except FrameError:
            continue
    describe = Descriptors(settings.pca, settings.position)
    describe.fit(maps)
    cells = np.concatenate([describe(features) for features in maps])
    if len(cells) > CELLS:
        cells = cells[np.random.default_rng(settings.seed).choice(len(cells), CELLS, replace=False)]
    low, high = settings.k_range
    found = {k: kmeans(cells, k, seed=settings.seed, restarts=3).distortion / len(cells) for k in range(low, high + 1)}
    knee = find_knee(found)
    return {"k": list(found), "distortion": list(found.values()), "knee": knee.k, "by": knee.by}
