"""Tests the bending and the noise of a camera on random points of a plane, with objects on it."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth import bending
from tests.unit.depth.points_on_planes import NORMAL, level, things


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_noise_and_bend_are_those_of_the_plane_whatever_stands_on_it(share: float) -> None:
    table = level(0.6, 3000, 4, share)
    x, y = table[:, 0] / table[:, 2], table[:, 1] / table[:, 2]
    lift = 0.01 * (x**2 + x * y - y**2)  # metres
    points = np.concatenate([table + lift[:, None] * NORMAL, things(600, 5)]).astype(np.float32)
    fit = bending.fit_bending(points, NORMAL.astype(np.float32), 0.6)
    # the noise lies along the rays, of which only a part is upwards
    upwards = np.median(np.abs(table @ NORMAL) / table[:, 2])
    assert fit.noise == pytest.approx(max(bending.QUIETER, share * upwards), rel=0.15)
    assert np.abs(fit.height(x, y) - lift).max() < 0.004


def test_a_keyboard_does_not_bend_the_desk_that_it_lies_on() -> None:
    desk = level(0.6, 3000, 4, 0.3)
    keyboard = desk[:, 0] > np.quantile(desk[:, 0], 0.8)  # at the right end of the desk, thinner than the worst noise
    points = (desk + 0.018 * keyboard[:, None] * NORMAL).astype(np.float32)
    fit = bending.fit_bending(points, NORMAL.astype(np.float32), 0.6)
    height = points @ NORMAL + 0.6 - fit.height(points[:, 0] / points[:, 2], points[:, 1] / points[:, 2])
    above = height > bending.CLEAR * fit.noise * bending.worst_noise(points[:, 2])
    assert above[keyboard].mean() > 0.9
    assert above[~keyboard].mean() < 0.01


def test_too_few_points_bend_nothing() -> None:
    fit = bending.fit_bending(level(0.6, 5, 0), NORMAL.astype(np.float32), 0.6)
    assert not fit.coefficients.any()
    assert fit.noise == 1
