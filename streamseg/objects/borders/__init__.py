"""Draws the borders of the foreground at full size, from what the classifier says of the cells of a coarse grid."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.features.extractor import FeatureFrame
from streamseg.masks.properties import areas_of
from streamseg.masks.resize import halved_size, labels_sized
from streamseg.masks.upsample import upsample_labels
from streamseg.objects.borders.colours import draw_by_colours
from streamseg.objects.borders.grabcut import cut
from streamseg.objects.borders.windows import Thresholds
from streamseg.objects.classifier import certainty

BORDERS = {
    "live": Thresholds(low=0.5, peak=0.5, fg_threshold=0.75, bg_threshold=0.2),
    "high": Thresholds(low=0.5, peak=0.5, fg_threshold=0.75, bg_threshold=0.35),
}
"""How sure the classifier must be of a pixel, by quality; colours decide about the others, which lie near the border,
in gaps and in thin parts. The classifier of "live" has learnt from smaller windows, and is trusted less."""
SIDE = 256
"""Longest side of the windows in which colours decide, in pixels."""
NEAR = 1 / 60
"""Distance, as a share of the frame's shorter side, by which a redrawn object may reach beyond the warped one."""
ROUGH = 480
"""Objects whose borders are drawn again are needed on every second pixel only, if the shorter side is this long."""
KEPT = 0.5
"""An object of which colours find less than this share keeps its warped border, so that it does not flicker."""


def draw_borders(frame: FeatureFrame, score: np.ndarray, quality: str, seed: int) -> np.ndarray:
    """Return the (H, W) bool foreground of a frame.

    With "high" GrabCut draws its borders, with "live" colour histograms. Depth, where there is any, tells borders
    better than colours: a live frame with depth is enlarged along the edges of both.

    score: (h, w) float32 on the grid of the features, above 0 = foreground. quality: "live" or "high".
    seed: of GrabCut.
    """
    if quality == "high":
        return cut(frame.frame.rgb, certainty(score), BORDERS[quality], side=SIDE, seed=seed)
    if frame.depth_guide is None:
        return draw_by_colours(frame.frame.rgb, certainty(score), BORDERS[quality], side=SIDE)
    mask: np.ndarray = upsample_labels(np.stack([-score, score]), frame.frame.rgb, frame.depth_guide) > 0
    return mask


def redraw_borders(ids: np.ndarray, rgb: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the (H, W) uint8 ids of a propagated frame, with borders that follow its own colours.

    The optical flow is coarse, and wrong beside what moves: it leads to the right place, but not to the right border.

    ids: (H, W) uint8 objects of the keyframe, warped along the flow. rgb: (H, W, 3) uint8. score: (h, w) float32 of
    the keyframe, warped, too, see `draw_borders`. Pixels that are further than NEAR from all objects stay background:
    there are parts of the score that are no objects. See also KEPT.
    """
    mask = draw_by_colours(rgb, certainty(score), BORDERS["live"], side=SIDE)
    small = labels_sized(ids, *halved_size(ids.shape, ROUGH))
    reach = round(NEAR * min(small.shape))
    around = cv2.dilate(small, np.ones((2 * reach + 1,) * 2, np.uint8))
    cv2.copyTo(small, small, around)  # dilation gives a pixel the largest id around it
    redrawn = cv2.bitwise_and(labels_sized(around, *ids.shape), -mask.view(np.uint8))
    lost = areas_of(redrawn[::4]) < KEPT * areas_of(ids[::4])  # every fourth row is enough to compare them
    if lost[1:].any():
        lost[0] = False
        cv2.copyTo(ids, lost.view(np.uint8)[ids], redrawn)
    return redrawn
