from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from streamseg.features.descriptors import Descriptors, rows


def features(d: int = 8, h: int = 6, w: int = 5, seed: int = 0) -> np.ndarray:
    maps = np.random.default_rng(seed).standard_normal((d, h, w)).astype(np.float32)
    return maps / np.linalg.norm(maps, axis=0)


def test_rows_go_along_the_grid() -> None:
    maps = features()
    assert np.array_equal(rows(maps)[7], maps[:, 1, 2])


def test_plain_features_pass_unchanged() -> None:
    maps = features()
    assert np.array_equal(Descriptors()(maps), rows(maps))


def test_pca_is_the_one_of_the_first_frames() -> None:
    first, later = features(seed=1), features(seed=2)
    descriptors = Descriptors(pca=3)
    descriptors.fit([first])
    oracle = PCA(3, svd_solver="full").fit(rows(first))
    assert descriptors(later) == pytest.approx(oracle.transform(rows(later)), abs=1e-5)
    descriptors.reset()
    assert descriptors(later) == pytest.approx(PCA(3, svd_solver="full").fit_transform(rows(later)), abs=1e-5)


def test_pca_of_more_components_than_there_are() -> None:
    assert Descriptors(pca=100)(features(d=8)).shape == (30, 8)


def test_position_grows_to_the_right_and_down() -> None:
    points = Descriptors(position=2.0)(features())
    assert points.shape == (30, 10)
    x, y = points[:, 8].reshape(6, 5), points[:, 9].reshape(6, 5)
    assert np.allclose(x[0], 2 * (np.array([0.1, 0.3, 0.5, 0.7, 0.9]) - 0.5))
    assert (np.diff(y, axis=0) > 0).all()
    assert abs(x).max() <= 1


def test_depth_is_inverse_relative_and_forgives_holes() -> None:
    depth = np.full((60, 50), 2.0, np.float32)
    depth[:, 25:] = 4.0
    depth[:10, :10] = 0  # one cell without any reading
    channel = Descriptors(depth=3.0)(features(), depth)[:, -1].reshape(6, 5)
    typical = 3.0 * np.median([2.0] * 15 + [4.0] * 15) / 2
    assert channel[1, 0] == pytest.approx(typical, rel=0.5)
    assert channel[1, 0] == pytest.approx(2 * channel[1, 4], rel=1e-5)
    assert channel[0, 0] == pytest.approx(3.0)  # no reading: as a typical cell
    assert np.allclose(Descriptors(depth=3.0)(features(), None)[:, -1], 3.0)
