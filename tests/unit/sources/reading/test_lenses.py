"""Registration of depth, compared point by point with OpenCV's projection."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamseg.frame import Intrinsics
from streamseg.sources.reading.lenses import Calibration, Lens, register

LENSES = {
    "pinhole": (0.0,) * 8,
    "brown_conrady": (0.1, -0.05, 0.002, -0.001, 0.01, 0.0, 0.0, 0.0),
    "rational": (0.3, -0.1, 0.001, 0.0005, 0.02, 0.31, -0.08, 0.01),
}
STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-9)


def point_by_point(depth: np.ndarray, calibration: Calibration, size: tuple[int, int]) -> np.ndarray:
    """Register depth in double precision: each reading becomes a block of pixels, the nearest is kept, and no hole is
    filled."""
    out = np.full(size, np.inf)
    block = int(np.ceil(calibration.colour.pinhole.fx / calibration.depth.pinhole.fx))
    for (row, column), z in np.ndenumerate(depth.astype(float)):
        if z > 0:
            pixel = np.array([[[float(column), float(row)]]])
            ray = cv2.undistortPoints(
                pixel, calibration.depth.matrix, np.array(calibration.depth.distortion), criteria=STOP
            ).ravel()
            point = np.array(calibration.rotation).reshape(3, 3) @ (z * np.array([*ray, 1.0]))
            point += np.array(calibration.translation)
            place, _ = cv2.projectPoints(
                point[None],
                np.zeros(3),
                np.zeros(3),
                calibration.colour.matrix,
                np.array(calibration.colour.distortion),
            )
            left, top = np.floor(place.ravel() - (block - 1) / 2 + 0.5).astype(int)
            rows = slice(max(top, 0), max(top + block, 0))
            columns = slice(max(left, 0), max(left + block, 0))
            out[rows, columns] = np.minimum(out[rows, columns], point[2])
    return np.where(np.isinf(out), 0, out)


@pytest.mark.parametrize("focal", [40.0, 60.0, 97.0])
@pytest.mark.parametrize("lens", LENSES)
def test_depth_is_where_each_of_its_points_is_seen(lens: str, focal: float) -> None:
    rng = np.random.default_rng(0)
    depth = np.where(rng.random((24, 32)) < 0.2, 0, 1 + rng.random((24, 32))).astype(np.float32)
    rotation, _ = cv2.Rodrigues(np.array([0.01, -0.02, 0.03]))
    calibration = Calibration(
        Lens(Intrinsics(focal, focal, 30.2, 20.7), LENSES[lens], 1.7),
        Lens(Intrinsics(41, 42, 15.3, 12.1), LENSES[lens], 1.7),
        tuple(rotation.ravel().tolist()),
        (0.03, 0.002, -0.01),
    )
    found, wanted = register(depth, calibration, (44, 61)), point_by_point(depth, calibration, (44, 61))
    assert found.shape == (44, 61)
    assert found.dtype == np.float32
    drawn = wanted > 0  # without the holes, which `register` fills
    assert drawn.mean() > 0.15
    assert (
        np.abs(found - wanted)[drawn] < 1e-4
    ).mean() > 0.998  # a point on the border of two pixels may be rounded to either


def test_nothing_is_seen_behind_the_camera_or_beyond_its_lens() -> None:
    lens = Lens(Intrinsics(20, 20, 15.5, 11.5), LENSES["pinhole"], 0.5)
    behind = Calibration(lens, lens, (1.0, 0, 0, 0, 1, 0, 0, 0, 1), (0.0, 0.0, -3.0))
    assert not register(np.full((24, 32), 2, np.float32), behind, (24, 32)).any()
    same = Calibration(lens, lens, (1.0, 0, 0, 0, 1, 0, 0, 0, 1), (0.0, 0.0, 0.0))
    found = register(np.full((24, 32), 2, np.float32), same, (24, 32))
    assert found[12, 16] == 2
    assert found[12, 0] == 0  # its ray is at 0.775
