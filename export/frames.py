"""Load real frames to calibrate and to compare networks: from a recording, or from two photographs of scikit-learn.

Random noise is no replacement: it activates other channels than images do, so that ranges fitted to it are wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.features.preparation import prepare
from streamseg.sources.recording import open_recording

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
"""Photographs of scikit-learn, 427 x 640 pixels each: buildings under a sky, and a flower close up."""
SCALES = (1.0, 0.8, 0.6, 0.45)
"""Sides of the crops of a photograph, as shares of the largest crop."""


def load(source: str, size: tuple[int, int], count: int = 8, log: Callable[[str], None] | None = None) -> np.ndarray:
    """Load frames and prepare them as the network gets them in a run. Returns (N, 3, H, W) float32 RGB in [0, 1].

    source: a recording, see `open_source`; "" = crops of photographs. The frames are spread evenly over it; a frame
    that cannot be read is replaced by one of its neighbours. size: (H, W) of the input of the network. count: N; a
    recording may have fewer frames. log: called with one line of text, the names of the frames. Raises SourceError.
    """
    log = log or (lambda line: None)
    pictures = list(_recorded(source, count) if source else _photographs(size, count))
    log(f"frames of {source or 'scikit-learn'}: {', '.join(name for name, _ in pictures)}")
    return np.concatenate([prepare(rgb, size) for _, rgb in pictures])


def _recorded(source: str, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, (H, W, 3) uint8 RGB) of at most `count` frames."""
    with open_recording(source, why="is live, and cannot be read twice") as recording:
        is_any_readable, reason = False, "it is empty"
        for first, end in _intervals(len(recording), count):
            for index in range(first, end):
                try:
                    frame = recording[index]
                except FrameError as problem:
                    reason = str(problem)
                    continue
                is_any_readable = True
                yield frame.name, frame.rgb
                break
        if not is_any_readable:
            raise SourceError(
                f"none of the {len(recording)} frames of {source!r} can be read ({reason})",
                "check the files, or give another recording",
            )


def _intervals(length: int, count: int) -> list[tuple[int, int]]:
    """Divide 0 ... length - 1 into at most `count` intervals [first, end) of about the same length."""
    count = min(length, count)
    borders = [round(part * length / count) for part in range(count + 1)] if count else []
    return list(itertools.pairwise(borders))


def _photographs(size: tuple[int, int], count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, (H, W, 3) uint8 RGB) of crops with the aspect ratio of `size`, of several sizes at random places."""
    from sklearn.datasets import load_sample_image

    photographs = [np.asarray(load_sample_image(name)) for name in PHOTOGRAPHS]
    random = np.random.default_rng(0)
    for number in range(count):
        which = (number + number // 2) % 2  # 0 1 1 0 ...: callers that take every second crop get both photographs
        photograph, scale = photographs[which], SCALES[number // 2 % len(SCALES)]
        largest = min(photograph.shape[0] / size[0], photograph.shape[1] / size[1])
        height, width = (max(1, int(side * largest * scale)) for side in size)
        top = int(random.integers(0, photograph.shape[0] - height + 1))
        left = int(random.integers(0, photograph.shape[1] - width + 1))
        name = f"{PHOTOGRAPHS[which]} {width}x{height}+{left}+{top}"
        yield name, photograph[top : top + height, left : left + width]
