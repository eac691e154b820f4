"""The label-free probe: do clusters of the features agree with the objects that `run` finds, without any label?

A cluster that means "object" should mean it in every frame of the recording, and in a mirrored picture of other
colours, too. One codebook is learnt over all frames of a recording, as they are and changed; the union of clusters that
fits the objects best is chosen once for all of them, and its IoU with the objects is measured frame by frame. The
objects are those that `run` finds with the network that training starts from: they are no truth, and a network may be
right where it disagrees. How the score goes with the IoU of true masks: docs/benchmarks/training.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from streamseg.clustering.kmeans import kmeans, squared_distances
from streamseg.errors import SourceError
from streamseg.evaluation.iou import Overlap, overlap
from streamseg.features.descriptors import rows
from streamseg.masks.upsample import upsample_labels
from streamseg.sources import Recording
from train.probes import Features, Result
from train.probes.dense import SAMPLE, View, maps_of, usable, view_of

FIGURE = "agreement"
GAINS = (1.15, 0.95, 0.8)
"""Of red, green and blue in the changed picture: another light."""


class LabelFreeProbe:
    """A call measures a network. recordings: their annotation is what `run` found in them. size, frames, k, repeats,
    seed: see `DenseProbe`. Raises SourceError where no frame has an object."""

    def __init__(
        self, recordings: Sequence[Recording], size: int, frames: int, seed: int, *, k: int = 5, repeats: int = 3
    ) -> None:
        self.k, self.repeats, self.seed = k, repeats, seed
        self.views: dict[str, list[View]] = {}
        for recording in recordings:
            if views := [view_of(frame, size, 32) for frame in usable(recording, frames)]:
                self.views[recording.uri] = views
        if not self.views:
            raise SourceError("no object was found in any recording", "give others, in which something stands out")

    def result(self, features: Features) -> Result:
        """{"agreement": (n,) IoU 0 ... 1 of each frame}; the groups are the recordings."""
        scores, groups = [], []
        for number, views in enumerate(self.views.values()):
            plain, changed = maps_of(features, views), maps_of(features, [_changed(view) for view in views])
            maps = plain + [np.ascontiguousarray(one[:, :, ::-1]) for one in changed]
            runs = [self._measured(views + views, maps, self.seed + run) for run in range(self.repeats)]
            both = np.mean(runs, axis=0).reshape(2, len(views))
            scores.append(both.mean(axis=0))
            groups += [number] * len(views)
        return Result({FIGURE: np.concatenate(scores)}, np.array(groups), tuple(self.views), macro=True)

    def _measured(self, views: list[View], maps: list[np.ndarray], seed: int) -> np.ndarray:
        points = np.concatenate([rows(one) for one in maps])
        chosen = np.random.default_rng(seed).permutation(len(points))[:SAMPLE]
        centroids = kmeans(points[np.sort(chosen)], self.k, seed=seed).centroids
        counts = []
        for view, one in zip(views, maps, strict=True):
            distance = squared_distances(rows(one), centroids).T.reshape(-1, *one.shape[1:])
            counts.append(overlap(upsample_labels(-distance, view.rgb, radius=0), view.truth, len(centroids)))
        together = Overlap(
            np.sum([one.inside for one in counts], axis=0),
            np.sum([one.outside for one in counts], axis=0),
            sum(one.total for one in counts),
        )
        union = together.best_union().clusters
        return np.array([one.iou(union) for one in counts])


def _changed(view: View) -> View:
    """Mirrored, in another light, and a little blurred."""
    lit = np.clip(255 * (view.rgb / 255.0) ** 1.3 * np.array(GAINS), 0, 255).astype(np.uint8)
    return replace(view, rgb=np.ascontiguousarray(cv2.GaussianBlur(lit, (3, 3), 0)[:, ::-1]))
