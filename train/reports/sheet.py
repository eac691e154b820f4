"""A sheet of what a method sees: frames with the views' places in them, and the views as the network gets them."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from streamseg.evaluation.attention import grid
from streamseg.masks.drawing import overlay
from train.data.samples import Samples
from train.method import Batch

PANEL = 200
"""Pixels of a panel's side."""
COLOURS = ((230, 60, 60), (40, 130, 230), (40, 170, 70), (230, 150, 30), (150, 80, 200), (20, 170, 170))
"""Of the views, in the frames and around them; the seventh has the first one's again."""


def sheet(samples: Samples, rows: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a row for each of the first `rows` samples of the run. Masks are drawn over the views where
    the batch has them; a broad black line below a view says that it is mirrored."""
    panels: list[np.ndarray] = []
    titles: list[str] = []
    columns = 0
    for number in range(rows):
        sample: Batch = samples[number]  # type: ignore[assignment]
        places = [tuple(place) for place in sample.numbers.tolist()]
        shown = [_frame(samples, place, index, sample) for index, place in enumerate(places)]
        names = [_short(samples, place, places[0]) for place in places]
        for index, pixels in enumerate(sample.views):
            shown.append(_view(pixels, sample, index))
            names.append(f"view {index + 1} of frame {samples.views[index].frame + 1}")
        panels += shown
        titles += names
        columns = len(shown)
    return grid(panels, titles, columns)


def _short(samples: Samples, place: tuple[int, ...], first: tuple[int, ...]) -> str:
    """The frame's name; of later frames how far they are from the first."""
    if place == first:
        return samples.recordings[place[0]].name_of(place[1])[-22:]
    return f"{place[1] - first[1]:+d} frames"


def _frame(samples: Samples, place: tuple[int, ...], index: int, sample: Batch) -> np.ndarray:
    """The whole frame with the boxes of its views."""
    picture = _fitted(samples.picture(place[0], place[1]).permute(1, 2, 0).numpy())
    height, width = picture.shape[:2]
    for number, view in enumerate(samples.views):
        if view.frame == index:
            x0, y0, x1, y1 = (
                (sample.boxes[number] * torch.tensor([width, height, width, height])).round().int().tolist()
            )
            cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), COLOURS[number % len(COLOURS)], 2)
    return _on_white(picture)


def _view(pixels: torch.Tensor, sample: Batch, number: int) -> np.ndarray:
    picture = (255 * pixels.permute(1, 2, 0)).round().byte().numpy()
    if sample.masks:
        picture = overlay(picture, sample.masks[number].numpy().astype(np.uint8), 0.45, legend=False)
    side = min(PANEL, PANEL * picture.shape[0] // max(view.shape[-1] for view in sample.views))
    picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    cv2.rectangle(picture, (0, 0), (side - 1, side - 1), COLOURS[number % len(COLOURS)], 3)
    if bool(sample.flips[number]):
        picture[-6:] = 0
    return _on_white(picture)


def _fitted(rgb: np.ndarray) -> np.ndarray:
    scale = PANEL / max(rgb.shape[:2])
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    return cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)


def _on_white(picture: np.ndarray) -> np.ndarray:
    whole = np.full((PANEL, PANEL, 3), 255, np.uint8)
    whole[: picture.shape[0], : picture.shape[1]] = picture
    return whole
