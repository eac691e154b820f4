"""kNN and linear classification during training, of a folder with one sub-folder a class: see `knn` and `linear`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from streamseg.features.preparation import input_size
from streamseg.sources import Recording
from train.data.parts import Part
from train.probes import Features, knn, labelled, linear
from train.probes.embed import embed

FRAMES, SHARE = 8, 0.3
"""Frames of each recording, and the share of each class that is held out."""


class ClassProbe:
    """A call measures a network: {"knn_top1", "linear_top1"}, 0 ... 1. Raises SourceError for a folder without
    classes."""

    def __init__(self, folder: str, size: int, seed: int, say: Callable[[str], None]) -> None:
        self.data = labelled.read(Path(folder), frames=FRAMES, val_share=SHARE, seed=seed, log=say)
        self.size, self.seed, self.say = input_size((size, size), size, 32), seed, say

    def held_out(self) -> list[Recording]:
        """The frames by which it measures; those that it learns classes from may be trained on."""
        found: dict[int, tuple[Recording, list[int]]] = {}
        for item in self.data.val:
            found.setdefault(id(item.recording), (item.recording, []))[1].append(item.index)
        return [Part(recording, numbers) for recording, numbers in found.values()]

    def __call__(self, features: Features) -> dict[str, float]:
        train, val = (embed(features, items, self.size, self.say) for items in (self.data.train, self.data.val))
        with threadpool_limits(1):
            scores = knn.score(train, val, self.seed) | linear.score(train, val, self.seed)
        return {name: float(values.mean()) for name, values in scores.items()}
