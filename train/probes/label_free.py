"""The label-free probe: measures how well clusters of the features agree with the objects that `run` finds.

A cluster that means "object" should do so in every frame of the recording, and in a mirrored picture with other
colours. One codebook is learnt of all frames of a recording, original and changed. The union of clusters that fits the
objects best is chosen once for all of them, and its IoU with the objects is measured frame by frame. The objects are
those that `run` finds with the starting network, not ground truth: a network may be right where it disagrees with them.
How well the score follows the IoU of true masks: docs/benchmarks/training.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from streamseg.errors import SourceError
from streamseg.evaluation.iou import PixelCounts, count_pixels
from streamseg.masks.upsample import upsample_labels
from streamseg.sources import Recording
from train.probes import FeatureFunction, Result
from train.probes.dense import ProbeFrame, cluster_distances, maps_of, probe_frame, usable

FIGURE = "agreement"
"""Name of the score."""
COLOUR_GAINS = (1.15, 0.95, 0.8)
"""Factors of red, green and blue in the changed picture."""


class LabelFreeProbe:
    """recordings: their annotations are the objects that `run` found. size, frames, k, repeats, seed: see `DenseProbe`.

    Raises SourceError if no frame has an object.
    """

    def __init__(
        self, recordings: Sequence[Recording], size: int, frames: int, seed: int, *, k: int = 5, repeats: int = 3
    ) -> None:
        self.k, self.repeats, self.seed = k, repeats, seed
        self.frames: dict[str, list[ProbeFrame]] = {}
        for recording in recordings:
            if chosen := [probe_frame(frame, size, 32) for frame in usable(recording, frames)]:
                self.frames[recording.uri] = chosen
        if not self.frames:
            raise SourceError("no object was found in any recording", "give others, in which something stands out")

    def result(self, features: FeatureFunction) -> Result:
        """Return {"agreement": (n,) IoU 0 to 1 of each frame}; the groups are the recordings."""
        scores, groups = [], []
        for number, frames in enumerate(self.frames.values()):
            plain, changed = maps_of(features, frames), maps_of(features, [_changed(frame) for frame in frames])
            maps = plain + [np.ascontiguousarray(mirrored[:, :, ::-1]) for mirrored in changed]
            runs = [self._measure(frames + frames, maps, self.seed + run) for run in range(self.repeats)]
            both = np.mean(runs, axis=0).reshape(2, len(frames))
            scores.append(both.mean(axis=0))
            groups += [number] * len(frames)
        return Result({FIGURE: np.concatenate(scores)}, np.array(groups), tuple(self.frames), macro=True)

    def _measure(self, frames: list[ProbeFrame], maps: list[np.ndarray], seed: int) -> np.ndarray:
        """Return the IoUs of one recording with one codebook, (frames,)."""
        counts = [
            count_pixels(upsample_labels(-distance, frame.rgb, radius=0), frame.truth, len(distance))
            for frame, distance in zip(frames, cluster_distances(maps, self.k, seed), strict=True)
        ]
        whole = PixelCounts(
            np.sum([part.inside for part in counts], axis=0),
            np.sum([part.outside for part in counts], axis=0),
            sum(part.total for part in counts),
        )
        union = whole.best_union().clusters
        return np.array([part.iou(union) for part in counts])


def _changed(frame: ProbeFrame) -> ProbeFrame:
    """Return the frame mirrored, with other colours, and slightly blurred."""
    relit = np.clip(255 * (frame.rgb / 255.0) ** 1.3 * np.array(COLOUR_GAINS), 0, 255).astype(np.uint8)
    return replace(frame, rgb=np.ascontiguousarray(cv2.GaussianBlur(relit, (3, 3), 0)[:, ::-1]))
