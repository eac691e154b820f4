"""The picture of a run: masks of its frames by the network that it started from, and by the one that came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from threading import Event

import cv2
import numpy as np

from streamseg.backbones import Spec
from streamseg.config import ExtractorConfig, ObjectsConfig, SegmenterConfig
from streamseg.evaluation.attention import grid
from streamseg.frame import Frame, Segmentation
from streamseg.masks.drawing import overlay
from streamseg.runtime.frames import segmented
from streamseg.runtime.session import open_segmenter
from streamseg.runtime.statistics import Statistics
from streamseg.sources import Recording
from train.data.parts import Part

FILE = "masks.png"
RECORDINGS, WINDOW, WIDTH = 4, 6, 300
"""How many are shown; frames that `run` sees of each, the last of which is shown; pixels of a panel's width."""

Pair = tuple[Frame, Segmentation]


def before_after(
    recordings: Sequence[Recording], start: Spec | None, trained: Spec, size: int, seed: int, say: Callable[[str], None]
) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB: a row for each of a few recordings, with the frame, its regions before and after, and its
    objects before and after. size: of the network's input, shorter side. start: None = random weights, which are not
    shown. None where no frame can be read."""
    chosen = list(recordings)[:: max(1, len(recordings) // RECORDINGS)][:RECORDINGS]
    say(f"drawing masks of {len(chosen)} recordings")
    columns = [_segmented(chosen, spec, size, seed) for spec in (start, trained) if spec is not None]
    rows: list[np.ndarray] = []
    titles: list[str] = []
    names = ["before", "after"] if len(columns) == 2 else ["after"]
    for number in range(len(chosen)):
        found = [column.get(number) for column in columns]
        if any(one is None for one in found):
            continue
        pairs = [one for one in found if one is not None]
        shown = [pairs[0][0].rgb]
        shown += [overlay(frame.rgb, one.regions, 0.6, legend=False) for frame, one in pairs]
        shown += [overlay(frame.rgb, _objects(one), 0.6, legend=False) for frame, one in pairs]
        rows += [_panel(picture) for picture in shown]
        titles += ["frame", *(f"regions {when}" for when in names), *(f"objects {when}" for when in names)]
    return grid(rows, titles, 1 + 2 * len(names)) if rows else None


def _objects(found: Segmentation) -> np.ndarray:
    assert found.objects is not None  # the config asks for them
    return found.objects


def _segmented(
    recordings: Sequence[Recording], spec: Spec, size: int, seed: int
) -> dict[int, tuple[Frame, Segmentation]]:
    """The last frame of a window in the middle of each recording, by its number."""
    config = SegmenterConfig(
        extractor=ExtractorConfig(spec=spec, size=size), objects=ObjectsConfig(objects=True, seed=seed)
    ).with_seed(seed)
    found: dict[int, Pair] = {}
    with open_segmenter(config) as segmenter:
        for number, recording in enumerate(recordings):
            first = max(0, len(recording) // 2 - WINDOW // 2)
            part = Part(recording, range(first, min(len(recording), first + WINDOW)))
            segmenter.reset()
            with closing(segmented(part, segmenter, Statistics(), Event())) as pairs:
                for pair in pairs:
                    found[number] = pair
    return found


def _panel(rgb: np.ndarray) -> np.ndarray:
    """A picture of WIDTH x 3/4 WIDTH, the whole of it, on white."""
    height = WIDTH * 3 // 4
    scale = min(WIDTH / rgb.shape[1], height / rgb.shape[0])
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    panel = np.full((height, WIDTH, 3), 255, np.uint8)
    y, x = (height - size[1]) // 2, (WIDTH - size[0]) // 2
    panel[y : y + size[1], x : x + size[0]] = small
    return panel
