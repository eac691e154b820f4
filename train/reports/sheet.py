"""The picture of `preview`: frames with the crops of the views, and the views as the network gets them."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from streamseg.evaluation.attention import grid
from streamseg.masks.drawing import overlay
from train.data.samples import Samples
from train.method import Batch

PANEL = 200
"""Side of a panel in pixels."""
COLOURS = ((230, 60, 60), (40, 130, 230), (40, 170, 70), (230, 150, 30), (150, 80, 200), (20, 170, 170))
"""Colours of the views, for their crops and their panels; the seventh view has the colour of the first."""


def sheet(samples: Samples, rows: int) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB with a row for each of the first `rows` samples of the run.

    Masks are drawn over the views if the samples have them. A broad black line below a view means that it is mirrored.
    """
    panels: list[np.ndarray] = []
    titles: list[str] = []
    columns = 0
    for number in range(rows):
        sample: Batch = samples[number]  # type: ignore[assignment]
        frame_ids = [tuple(frame_id) for frame_id in sample.frame_ids.tolist()]
        pictures = [_frame(samples, frame_id, index, sample) for index, frame_id in enumerate(frame_ids)]
        row_titles = [_title(samples, frame_id, frame_ids[0]) for frame_id in frame_ids]
        for index, pixels in enumerate(sample.views):
            pictures.append(_view(pixels, sample, index))
            row_titles.append(f"view {index + 1} of frame {samples.views[index].frame + 1}")
        panels += pictures
        titles += row_titles
        columns = len(pictures)
    return grid(panels, titles, columns)


def _title(samples: Samples, frame_id: tuple[int, ...], first: tuple[int, ...]) -> str:
    """Return the name of the first frame of a sample; for later frames their distance from the first."""
    if frame_id == first:
        return samples.recordings[frame_id[0]].name_of(frame_id[1])[-22:]
    return f"{frame_id[1] - first[1]:+d} frames"


def _frame(samples: Samples, frame_id: tuple[int, ...], index: int, sample: Batch) -> np.ndarray:
    """Return the whole frame with the crops of its views."""
    picture = _scaled_to_panel(samples.picture(frame_id[0], frame_id[1]).permute(1, 2, 0).numpy())
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


def _scaled_to_panel(rgb: np.ndarray) -> np.ndarray:
    scale = PANEL / max(rgb.shape[:2])
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    return cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)


def _on_white(picture: np.ndarray) -> np.ndarray:
    whole = np.full((PANEL, PANEL, 3), 255, np.uint8)
    whole[: picture.shape[0], : picture.shape[1]] = picture
    return whole
