"""Real frames to calibrate and compare with: of any recording, or two photographs that every installation has.

Random noise would prove little: it excites other channels than pictures do, and ranges fitted to it are wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.features.preparation import prepare
from streamseg.sources import LiveSource, open_source

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
"""427 x 640 each, by scikit-learn: buildings under a sky, and a flower close up."""
SCALES = (1.0, 0.8, 0.6, 0.45)
"""Sides of the crops of a photograph, as shares of the largest one that fits."""


def load(source: str, size: tuple[int, int], count: int = 8, log: Callable[[str], None] | None = None) -> np.ndarray:
    """`count` real frames as networks get them while streaming: (N, 3, H, W) float32 RGB in [0, 1].

    source: anything `open_source` takes that can be rewound; its frames are spread evenly, unreadable ones give way to
    their neighbours. "" = crops of photographs. size: (H, W) of the network's input. log: is told which frames.
    N = count, or fewer where the recording has fewer frames. Raises SourceError.
    """
    log = log or (lambda line: None)
    pictures = list(_recorded(source, count) if source else _photographs(size, count))
    log(f"frames of {source or 'scikit-learn'}: {', '.join(name for name, _ in pictures)}")
    return np.concatenate([prepare(rgb, size) for _, rgb in pictures])


def _recorded(source: str, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and (H, W, 3) uint8 RGB of at most `count` frames."""
    with open_source(source) as recording:
        if isinstance(recording, LiveSource):
            raise SourceError(f"{source!r} is live, and cannot be read twice", "give a recording: a folder or a video")
        found, reason = 0, "it is empty"
        for first, end in _stretches(len(recording), count):
            for index in range(first, end):
                try:
                    frame = recording[index]
                except FrameError as problem:
                    reason = str(problem)
                    continue
                found += 1
                yield frame.name, frame.rgb
                break
        if not found:
            raise SourceError(f"none of the {len(recording)} frames of {source!r} can be read ({reason})", _COPY)


_COPY = "check the files, or give another recording"


def _stretches(length: int, count: int) -> list[tuple[int, int]]:
    """Divide 0 ... length - 1 into at most `count` stretches [first, end) of about the same length."""
    count = min(length, count)
    borders = [round(part * length / count) for part in range(count + 1)] if count else []
    return list(itertools.pairwise(borders))


def _photographs(size: tuple[int, int], count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Crops with the aspect of `size`, alternating between the photographs, smaller and elsewhere each time."""
    from sklearn.datasets import load_sample_image

    photographs = [np.asarray(load_sample_image(name)) for name in PHOTOGRAPHS]
    random = np.random.default_rng(0)
    for number in range(count):
        which = (number + number // 2) % 2  # so that every second crop, too, is of both
        photograph, scale = photographs[which], SCALES[number // 2 % len(SCALES)]
        whole = min(photograph.shape[0] / size[0], photograph.shape[1] / size[1])
        height, width = (max(1, int(side * whole * scale)) for side in size)
        top, left = (int(random.integers(0, room + 1)) for room in np.subtract(photograph.shape[:2], (height, width)))
        name = f"{PHOTOGRAPHS[which]} {width}x{height}+{left}+{top}"
        yield name, photograph[top : top + height, left : left + width]
