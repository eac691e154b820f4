"""Accuracy of kNN and linear classification during training, on a folder with one sub-folder per class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from streamseg.features.preparation import input_size
from streamseg.sources import Recording
from train.data.parts import Part
from train.probes import FeatureFunction, knn, labelled, linear
from train.probes.embed import embed

FRAMES, HELD_OUT_SHARE = 8, 0.3
"""Frames used of each recording, and share of each class that is held out."""


class ClassProbe:
    """probe(features) returns the accuracies {"knn_top1", "linear_top1"}, 0 to 1; see `knn` and `linear`.

    size: side of the images in pixels. Raises SourceError for a folder without classes.
    """

    def __init__(self, folder: str, size: int, seed: int, say: Callable[[str], None]) -> None:
        self.data = labelled.read(Path(folder), frames=FRAMES, val_share=HELD_OUT_SHARE, seed=seed, log=say)
        self.size, self.seed, self.say = input_size((size, size), size, 32), seed, say

    def held_out(self) -> list[Recording]:
        """Return the frames on which the accuracy is measured; only these must not be trained on."""
        frames: dict[int, tuple[Recording, list[int]]] = {}
        for item in self.data.val:
            frames.setdefault(id(item.recording), (item.recording, []))[1].append(item.index)
        return [Part(recording, indices) for recording, indices in frames.values()]

    def __call__(self, features: FeatureFunction) -> dict[str, float]:
        train, val = (embed(features, items, self.size, self.say) for items in (self.data.train, self.data.val))
        with threadpool_limits(1):
            scores = knn.score(train, val, self.seed) | linear.score(train, val, self.seed)
        return {name: float(values.mean()) for name, values in scores.items()}
