"""The picture masks.png: masks of frames of the run by the starting network and by the trained one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import cv2
import numpy as np

from streamseg.backbones import Spec
from streamseg.config import ExtractorConfig, ObjectsConfig, SegmenterConfig
from streamseg.evaluation.attention import grid
from streamseg.frame import Frame, Segmentation
from streamseg.masks.drawing import overlay
from streamseg.runtime.frames import segmented
from streamseg.runtime.session import open_segmenter
from streamseg.sources import Recording
from streamseg.text import counted
from train.data.parts import middle

MASKS_PICTURE = "masks.png"
"""Name of the picture in the output folder."""
RECORDINGS, WINDOW, WIDTH = 4, 6, 300
"""Recordings shown; frames of each that `run` sees, of which the last is shown; width of a panel in pixels."""

Pair = tuple[Frame, Segmentation]


def before_after(
    recordings: Sequence[Recording], start: Spec | None, trained: Spec, size: int, seed: int, say: Callable[[str], None]
) -> np.ndarray | None:
    """Return the picture, (H, W, 3) uint8 RGB, or None if no frame can be read.

    Each row is a recording: a frame, its regions before and after training, and its objects before and after. size:
    shorter side of the network's input. start: the starting network; None = its weights were random, and are not shown.
    """
    chosen = list(recordings)[:: max(1, len(recordings) // RECORDINGS)][:RECORDINGS]
    say(f"drawing masks of {counted(len(chosen), 'recording')}")
    columns = [_segmented(chosen, spec, size, seed) for spec in (start, trained) if spec is not None]
    panels: list[np.ndarray] = []
    titles: list[str] = []
    names = ["before", "after"] if len(columns) == 2 else ["after"]
    for number in range(len(chosen)):
        pairs = [column[number] for column in columns if number in column]
        if len(pairs) < len(columns):
            continue
        pictures = [pairs[0][0].rgb]
        pictures += [overlay(frame.rgb, segmentation.regions, 0.6, legend=False) for frame, segmentation in pairs]
        pictures += [overlay(frame.rgb, _objects(segmentation), 0.6, legend=False) for frame, segmentation in pairs]
        panels += [_panel(picture) for picture in pictures]
        titles += ["frame", *(f"regions {when}" for when in names), *(f"objects {when}" for when in names)]
    return grid(panels, titles, 1 + 2 * len(names)) if panels else None


def _objects(segmentation: Segmentation) -> np.ndarray:
    assert segmentation.objects is not None  # the configuration asks for objects
    return segmentation.objects


def _segmented(recordings: Sequence[Recording], spec: Spec, size: int, seed: int) -> dict[int, Pair]:
    """Return the last frame of a window in the middle of each recording with its masks, by recording number."""
    config = SegmenterConfig(
        extractor=ExtractorConfig(spec=spec, size=size), objects=ObjectsConfig(objects=True, seed=seed)
    ).with_seed(seed)
    last_pairs: dict[int, Pair] = {}
    with open_segmenter(config) as segmenter:
        for number, recording in enumerate(recordings):
            segmenter.reset()
            with closing(segmented(middle(recording, WINDOW), segmenter)) as pairs:
                for pair in pairs:
                    last_pairs[number] = pair
    return last_pairs


def _panel(rgb: np.ndarray) -> np.ndarray:
    """Return the whole picture, scaled, on a white panel of WIDTH x 3/4 WIDTH."""
    height = WIDTH * 3 // 4
    scale = min(WIDTH / rgb.shape[1], height / rgb.shape[0])
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    panel = np.full((height, WIDTH, 3), 255, np.uint8)
    y, x = (height - size[1]) // 2, (WIDTH - size[0]) // 2
    panel[y : y + size[1], x : x + size[0]] = small
    return panel
