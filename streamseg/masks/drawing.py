"""Draws the overlay: the frame with tinted segments, their contours, a legend and a status line."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.frame import VOID
from streamseg.masks import palette
from streamseg.masks.properties import areas_of

LEGEND_ROWS = 12
"""Largest number of segments in the legend."""
_WHITE = (255, 255, 255)


def overlay(
    rgb: np.ndarray, labels: np.ndarray, alpha: float = 0.5, status: str = "", legend: bool = True
) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB: a copy of the frame, tinted by its labels.

    rgb: (H, W, 3) uint8 RGB. labels: (H, W) uint8; pixels of 0 are not tinted, those of VOID are darkened.
    alpha: opacity of the tint, 0 ... 1. status: a text for the top left corner; "" for none. legend: whether to list
    the largest segments with their share of the picture.
    """
    tint = cv2.applyColorMap(labels, palette.distinct().reshape(256, 1, 3))
    picture = cv2.addWeighted(rgb, 1 - alpha, tint, alpha, 0)
    background = labels == 0
    if background.any():
        cv2.copyTo(rgb, background.view(np.uint8), picture)
    short = min(labels.shape)
    size = min(max(short // 27, 11), 48)  # of the text, in pixels
    _draw_contours(picture, labels, thickness=1 if short < 700 else 2)
    if legend:
        _draw_legend(picture, labels, size)
    if status:
        _draw_status(picture, status, size)
    return picture


def _draw_contours(picture: np.ndarray, labels: np.ndarray, thickness: int) -> None:
    """Draw a double line between segments, dark on one side and white on the other: it is visible on any background."""
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    # A pixel whose label is below the highest one around it is on the side of the lower label, and vice versa.
    lower = cv2.compare(labels, cv2.dilate(labels, kernel), cv2.CMP_LT)
    higher = cv2.compare(labels, cv2.erode(labels, kernel), cv2.CMP_GT)
    cv2.subtract(picture, cv2.cvtColor(lower, cv2.COLOR_GRAY2RGB), dst=picture)
    cv2.max(picture, cv2.cvtColor(higher, cv2.COLOR_GRAY2RGB), dst=picture)


def _draw_legend(picture: np.ndarray, labels: np.ndarray, size: int) -> None:
    """Draw the legend at the bottom left corner: colour, id and share of the picture of the largest segments."""
    height, width = labels.shape
    areas = areas_of(labels)
    areas[[0, VOID]] = 0
    margin, line = size // 2, round(1.4 * size)
    panel_width = round(6.8 * size)
    rows = min(LEGEND_ROWS, np.count_nonzero(areas), (3 * height // 4 - margin) // line)
    if rows < 1 or panel_width + 2 * margin > width:
        return
    x, y = margin, height - 2 * margin - rows * line
    _darken(picture[y : height - margin, x : x + panel_width])
    # Sorted by id, not by area: rows that swap places from frame to frame cannot be read.
    for row, i in enumerate(sorted(np.argsort(-areas, kind="stable")[:rows])):
        top = y + margin // 2 + row * line
        swatch = (x + margin, top + line // 2 - size // 2, size, size)
        cv2.rectangle(picture, swatch, palette.distinct()[i].tolist(), cv2.FILLED)
        _write(picture, str(i), (x + margin + round(1.4 * size), top), size)
        share = 100 * areas[i] / labels.size
        text = f"{share:.0f} %" if share >= 1 else "< 1 %"
        _write(picture, text, (x + panel_width - margin, top), size, right=True)


def _draw_status(picture: np.ndarray, status: str, size: int) -> None:
    """Draw a line of text at the top left corner."""
    margin, line = size // 2, round(1.4 * size)
    _, _, text_width, _ = cv2.getTextSize((0, 0), status, (0, 0), cv2.FontFace("sans"), size, 500)
    _darken(picture[margin : margin + line, margin : 2 * margin + text_width + margin])
    _write(picture, status, (2 * margin, margin), size)


def _darken(area: np.ndarray) -> None:
    """Darken a part of a picture, in place, as a background for white text."""
    np.right_shift(area, 2, out=area)


def _write(picture: np.ndarray, text: str, corner: tuple[int, int], size: int, right: bool = False) -> None:
    """Write white text of `size` pixels. corner: (x, y), its top left corner, or with `right` its top right one."""
    flags = cv2.PUT_TEXT_ALIGN_RIGHT if right else cv2.PUT_TEXT_ALIGN_LEFT
    baseline = corner[0], corner[1] + round(1.07 * size)
    # A new font for each call, in microseconds: a font holds state, and two sinks may draw in two threads.
    cv2.putText(picture, text, baseline, _WHITE, cv2.FontFace("sans"), size, 500, flags)
