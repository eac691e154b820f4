from __future__ import annotations

import numpy as np

from streamseg.clustering.online import Online
from streamseg.config import ClusteringConfig
from streamseg.features.descriptors import Descriptors

RANDOM = np.random.default_rng(0)
LEFT, RIGHT, ELSEWHERE = np.linalg.qr(RANDOM.standard_normal((16, 16)))[0][:3]


def view(light: float = 0.0) -> np.ndarray:
    """Return (16, 6, 8) features of two halves. light: value of one more feature that all cells share."""
    cells = np.where(np.arange(8) < 4, LEFT[:, None], RIGHT[:, None]) + light * ELSEWHERE[:, None]
    maps = cells[:, None] + 0.02 * RANDOM.standard_normal((16, 6, 8))
    return (maps / np.linalg.norm(maps, axis=0)).astype(np.float32)


def test_a_frame_does_not_come_out_as_one_region_for_what_all_its_cells_share() -> None:
    online = Online(ClusteringConfig(), Descriptors())
    # four views, one in another light: at the start that one is nearer to itself than its halves are to the others'
    views = [view(), view(), view(), view(light=2.0)]
    online.start(views, [None] * 4, 0)
    for index, features in enumerate(views):
        distances, _ = online.step(features, None, index)
        nearest = distances.argmin(axis=1).reshape(6, 8)
        assert len(np.unique(nearest)) >= 2
        assert nearest[2, 1] != nearest[2, 6]


def test_a_frame_of_one_shade_stays_one_region() -> None:
    online = Online(ClusteringConfig(), Descriptors())
    online.start([view()] * 4, [None] * 4, 0)
    distances, _ = online.step(np.repeat(LEFT[:, None], 48, axis=1).reshape(16, 6, 8).astype(np.float32), None, 4)
    assert len(np.unique(distances.argmin(axis=1))) == 1
