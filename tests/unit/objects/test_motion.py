from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamseg.features.flow import SIDE
from streamseg.objects.motion import Motion

SIZE = (240, 320)


def texture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8: blobs of a few pixels."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (*size, 3)), (0, 0), 3)
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


def homography(degrees: float = 0, dx: float = 0, dy: float = 0, tilt: float = 0) -> np.ndarray:
    turn = np.vstack([cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), degrees, 1), [0, 0, 1]])
    turn[:2, 2] += dx, dy
    return turn @ np.array([[1, 0, 0], [0, 1, 0], [tilt, 0, 1]])


CAMERAS = {
    "still": homography(),
    "pans": homography(dx=5, dy=-3),
    "rolls": homography(degrees=2),
    "all at once": homography(1, -4, 2, 1e-4),
}


def seen(camera: np.ndarray, at: tuple[int, int] | None) -> np.ndarray:
    """The world through the moved camera, with a square of 70 pixels at (x, y)."""
    frame = cv2.warpPerspective(texture(0), camera, SIZE[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    if at:
        frame[at[1] : at[1] + 70, at[0] : at[0] + 70] = texture(1)[:70, :70]
    return frame


@pytest.mark.parametrize("camera", CAMERAS)
def test_what_moves_by_itself_stands_out_from_what_the_camera_moves(camera: str) -> None:
    motion = Motion()
    assert motion(seen(homography(), (120, 80))) is None  # nothing to compare with
    found = motion(seen(CAMERAS[camera], (128, 86)))
    assert found is not None
    assert found.dtype == np.float32
    assert found.shape == (SIDE, round(SIDE * SIZE[1] / SIZE[0]))
    assert found.min() >= 0
    assert found.max() <= 1
    scale = SIDE / SIZE[0]
    core = found[round(96 * scale) : round(136 * scale), round(138 * scale) : round(180 * scale)]
    far = np.concatenate([found[10:-10, 10:60].ravel(), found[10:-10, -60:-10].ravel()])
    assert np.median(core) > 0.75  # approaches 1 the faster it is
    assert np.median(far) < 0.25
    assert far.mean() < core.mean() / 2


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_camera_alone_moves_nothing(camera: str) -> None:
    motion = Motion()
    motion(seen(homography(), None))
    found = motion(seen(CAMERAS[camera], None))
    assert found is not None
    assert np.median(found) < 0.3


def test_frames_that_are_no_neighbours_tell_nothing() -> None:
    motion = Motion()
    motion(texture(0))
    assert motion(texture(7)) is None
    assert motion(texture(7)) is not None  # the next pair counts again


def test_another_size_or_a_reset_starts_anew() -> None:
    motion = Motion()
    frame = texture(0)
    motion(frame)
    assert motion(texture(0, (240, 480))) is None
    assert motion(frame) is None
    motion.reset()
    assert motion(frame) is None
    assert motion(frame) is not None


def test_same_frames_same_result() -> None:
    frames = [seen(homography(dx=3 * i), (100 + 5 * i, 80)) for i in range(4)]
    first, second = ([motion(frame) for frame in frames] for motion in (Motion(), Motion()))
    for one, other in zip(first[1:], second[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_picture_of_one_colour_does_not_move() -> None:
    motion = Motion()
    motion(np.full((*SIZE, 3), 90, np.uint8))
    found = motion(np.full((*SIZE, 3), 90, np.uint8))
    assert found is None or found.max() < 1e-6


def test_the_flow_leads_to_the_frame_before() -> None:
    motion = Motion()
    motion(seen(homography(), None))
    assert motion.flow is None
    motion(seen(homography(dx=6, dy=-3), None))
    assert motion.flow is not None
    middle = motion.flow[40:-40, 40:-40] * np.array(SIZE[::-1])
    np.testing.assert_allclose(np.median(middle, axis=(0, 1)), (-6, 3), atol=0.5)
    motion.reset()
    motion(seen(homography(), None))
    assert motion.flow is None


def test_frames_that_do_not_follow_each_other_have_no_flow() -> None:
    motion = Motion()
    motion(texture(0))
    motion(texture(7))
    assert motion.flow is None
