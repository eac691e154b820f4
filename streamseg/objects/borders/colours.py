"""Draws the borders of rough parts by colour histograms, in a window around each part: faster than GrabCut.

Histograms of foreground and background give each pixel the likelihood of either (Boykov & Jolly, ICCV 2001). Bayes'
rule weighs them with the saliency as the prior. Instead of a graph cut, the guided filter smooths the result within the
edges of the image (He, Sun & Tang, TPAMI 2013, section 5).
"""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.masks.upsample import guided
from streamseg.objects.borders.windows import Thresholds, Window, draw_parts

BITS = 4
"""Of a channel: a histogram has 16 x 16 x 16 bins."""
RARE = 1e-4
"""Share of the pixels that each colour is taken to have beside those that were counted."""
PRIOR = 6.0
"""Log-odds of a pixel whose saliency is 1 above one whose saliency is 0, colours aside."""
ONE, BINOMIAL = np.ones(1, np.float32), np.array([1, 2, 1], np.float32) / 4
"""Filters along and across, of the smoothing of a histogram."""
RADIUS = 3
"""Of the guided filter, in pixels of the window."""


def draw_by_colours(rgb: np.ndarray, saliency: np.ndarray, thresholds: Thresholds, *, side: int) -> np.ndarray:
    """Return the (H, W) bool mask of the objects that `saliency` shows, with the borders of the image.

    rgb: (H, W, 3) uint8. saliency: (h, w) float32 on a grid of any size, see `Saliency`.
    side: longest side of the windows, in pixels.
    """
    return draw_parts(rgb, saliency, thresholds, side, _segment)


def _segment(window: Window) -> np.ndarray:
    colours = cv2.cvtColor(window.image, cv2.COLOR_RGB2YCrCb)
    rough = window.trimap & 1
    foreground, background = _histogram(colours, rough), _histogram(colours, 1 - rough)
    odds = np.log((foreground + RARE) / (background + RARE))[_bins(colours)] + PRIOR * (window.saliency - 0.5)
    sure, never = window.trimap == cv2.GC_FGD, window.trimap == cv2.GC_BGD
    likely = 1 / (1 + np.exp(-odds))
    likely[sure], likely[never] = 1, 0
    drawn = guided(likely, cv2.cvtColor(window.image, cv2.COLOR_RGB2GRAY), RADIUS) > 0.5
    return _without_islands((drawn | sure) & ~never, rough)


def _without_islands(drawn: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """Leave out connected pieces that lie mostly outside of the rough part: like it by colour alone.

    drawn: (h, w) bool. rough: (h, w) uint8, not 0 = inside.
    """
    count, pieces = cv2.connectedComponents(drawn.view(np.uint8), ltype=cv2.CV_16U)
    inside, all_of_it = (cv2.calcHist([pieces], [0], where, [count], [0, count]).ravel() for where in (rough, None))
    kept = 2 * inside > all_of_it
    kept[0] = False
    return kept[pieces]


def _histogram(colours: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the share of pixels in each bin, (8 ** BITS,) float32, smoothed over neighbouring bins.

    colours: (h, w, 3) uint8. chosen: (h, w) uint8, not 0 = the pixel counts.
    """
    bins = 1 << BITS
    counts = cv2.calcHist([colours], [0, 1, 2], chosen, [bins] * 3, [0, 256] * 3) / max(1, cv2.countNonZero(chosen))
    smooth: np.ndarray = counts.reshape(bins, -1)
    for _ in range(3):  # each channel in turn: what is the first axis becomes the last one
        smooth = cv2.sepFilter2D(smooth, -1, ONE, BINOMIAL, borderType=cv2.BORDER_REPLICATE).T.reshape(bins, -1)
    return smooth.ravel()


def _bins(colours: np.ndarray) -> np.ndarray:
    """Return the number of the bin of each pixel, (h, w) uint16. colours: (h, w, 3) uint8."""
    y, red, blue = (np.asarray(channel, np.uint16) >> (8 - BITS) for channel in cv2.split(colours))
    return (y << 2 * BITS) | (red << BITS) | blue
