"""The dense probe: how well clusters of the features fit the objects in held-out frames that have masks.

One codebook a recording, with k fixed, and borders from bilinear enlargement alone. As an instrument that has to rank
checkpoints this is steadier than what a run does: the knee nearly always says 2 on such features and jumps by itself,
cold K-Means on every frame adds its own noise, and a guided filter would give the image's borders to any features.
K-Means is started from several seeds and the IoU averaged, for the same reason.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from streamseg.clustering.kmeans import kmeans, squared_distances
from streamseg.errors import FrameError, ModelError, SourceError
from streamseg.evaluation.iou import free_choice, overlap
from streamseg.features.descriptors import rows
from streamseg.features.preparation import input_size, prepare
from streamseg.frame import VOID, Frame
from streamseg.masks.upsample import upsample_labels
from streamseg.sources import Recording
from streamseg.text import some
from train.probes import Features, Result

FIGURES = ("iou_best", "iou_union", "iou_free")
SMALLEST = 1e-3
"""Masks of a smaller share of the frame are skipped: hidden targets of CO3D."""
DARKEST = 8
"""A frame without any value of at least this is black (CO3D hides its test targets that way)."""
SAMPLE = 4096
"""Cells that a codebook is learnt from."""
BATCH = 8


@dataclass(frozen=True, eq=False)
class View:
    """One frame at the network's size. rgb: (H, W, 3) uint8; truth: (H, W) uint8, 0 / 1 / 255 = void. index: of the
    frame."""

    rgb: np.ndarray
    truth: np.ndarray
    index: int = 0


class DenseProbe:
    """Decodes the frames once; a call measures a network on them.

    recordings: those without a usable mask are left out, see `skipped`; SourceError if all are.
    size: of the network's input, shorter side or (H, W), rounded to multiples of `multiple`.
    frames: at most so many frames of each recording, spread evenly.
    k: clusters. repeats: K-Means runs that are averaged. seed: of the clustering: same features, same figures.

    iou_best: of the best single cluster in each frame (the report's rule). iou_union: of the best union of clusters
    in each frame, the limit of any choice. iou_free: of the clusters chosen without labels for the recording, centre
    against border. The truth of a frame is its foreground: all its objects together.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        size: tuple[int, int] | int,
        frames: int = 24,
        seed: int = 0,
        *,
        k: int = 5,
        repeats: int = 5,
        multiple: int = 32,
    ) -> None:
        self.k, self.repeats, self.seed = k, repeats, seed
        self.skipped: dict[str, str] = {}
        self.views: dict[str, list[View]] = {}
        for recording in recordings:
            views = [view_of(frame, size, multiple) for frame in usable(recording, frames)]
            if views:
                self.views[recording.uri] = views
            else:
                self.skipped[recording.uri] = "no frame with a mask"
        if not self.views:
            tried = some(self.skipped) or "nothing"
            raise SourceError(
                f"the dense probe needs frames with masks, and found none in {tried}",
                "give a recording with masks: CO3D, DAVIS, or images/ and masks/",
            )

    def halves(self) -> tuple[DenseProbe, DenseProbe]:
        """Two probes that share no frame: of each recording its first half in time, and its second one. What is chosen
        by one can be reported by the other. Of recordings with a single frame every second one goes to the other side.

        Raises SourceError where there is one frame in all.
        """
        first, second = copy.copy(self), copy.copy(self)
        first.views, second.views = {}, {}
        for number, (uri, views) in enumerate(self.views.items()):
            ordered = sorted(views, key=lambda view: view.index)
            middle = (len(ordered) + 1 - number % 2) // 2
            for half, part in ((first, ordered[:middle]), (second, ordered[middle:])):
                if part:
                    half.views[uri] = part
        if not first.views or not second.views:
            raise SourceError(
                "one frame with a mask cannot both choose a checkpoint and judge it",
                "give --val more frames with masks",
            )
        return first, second

    def __call__(self, features: Features) -> dict[str, float]:
        """{"iou_best", "iou_union", "iou_free"}: each the mean over the recordings of the mean over their frames.

        features: (B, 3, H, W) float32 RGB in [0, 1] -> (B, D, h, w), each vector of length 1. Raises ModelError for
        features that are not finite.
        """
        return self.result(features).figures()

    def result(self, features: Features) -> Result:
        """The same frame by frame; the groups are the recordings."""
        scores = []
        for views in self.views.values():
            maps = maps_of(features, views)
            runs = [self._measure(views, maps, self.seed + run) for run in range(self.repeats)]
            scores.append(np.mean(runs, axis=0))
        columns = np.concatenate(scores).T
        return replace(self.units(), scores=dict(zip(FIGURES, columns)))

    def units(self) -> Result:
        """A result without scores: which frames belong together."""
        groups = np.repeat(np.arange(len(self.views)), [len(views) for views in self.views.values()])
        return Result({}, groups, tuple(self.views), macro=True)

    def _measure(self, views: list[View], maps: list[np.ndarray], seed: int) -> np.ndarray:
        """(frames, 3) IoUs of one recording with one codebook."""
        points = np.concatenate([rows(m) for m in maps])
        chosen = np.random.default_rng(seed).permutation(len(points))[:SAMPLE]
        centroids = kmeans(points[np.sort(chosen)], self.k, seed=seed).centroids
        distances = [squared_distances(rows(m), centroids).T.reshape(-1, *m.shape[1:]) for m in maps]
        free = free_choice([d.argmin(axis=0) for d in distances], len(centroids))
        found = []
        for view, distance in zip(views, distances, strict=True):
            labels = upsample_labels(-distance, view.rgb, radius=0)
            counts = overlap(labels, view.truth, len(centroids))
            found.append((counts.best_cluster().iou, counts.best_union().iou, counts.iou(free)))
        return np.array(found)


def usable(recording: Recording, frames: int) -> Iterator[Frame]:
    """At most `frames` frames with masks worth measuring, spread evenly. Gives up early where there are no masks."""
    found = annotated = 0
    for tried, index in enumerate(_spread(len(recording))):
        if found == frames or (not annotated and tried == 4 * frames):
            return
        try:
            frame = recording[index]
            truth = frame.annotation
        except FrameError:
            continue
        annotated += truth is not None
        if truth is None or frame.rgb.max() < DARKEST:
            continue
        if ((truth > 0) & (truth != VOID)).mean() >= SMALLEST:
            found += 1
            yield frame


def _spread(length: int) -> list[int]:
    """0 ... length - 1, every beginning spread evenly: halves, quarters, eighths (van der Corput's sequence)."""
    bits = max(1, (length - 1).bit_length())
    reversed_bits = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits))
    return [index for index in reversed_bits if index < length]


def view_of(frame: Frame, size: tuple[int, int] | int, multiple: int) -> View:
    height, width = input_size((frame.rgb.shape[0], frame.rgb.shape[1]), size, multiple)
    annotation = frame.annotation
    assert annotation is not None
    truth = np.where(annotation == VOID, VOID, annotation > 0).astype(np.uint8)
    interpolation = cv2.INTER_AREA if frame.rgb.shape[0] >= 2 * height else cv2.INTER_LINEAR  # as `prepare` does
    rgb = cv2.resize(frame.rgb, (width, height), interpolation=interpolation)
    return View(rgb, cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST), frame.index)


def maps_of(features: Features, views: list[View]) -> list[np.ndarray]:
    """The (D, h, w) features of each view, copied; views of one size go through the network together."""
    found: dict[int, np.ndarray] = {}
    for shape in dict.fromkeys(view.rgb.shape for view in views):
        same = [i for i, view in enumerate(views) if view.rgb.shape == shape]
        for start in range(0, len(same), BATCH):
            batch = same[start : start + BATCH]
            images = np.concatenate([prepare(views[i].rgb, shape[:2]) for i in batch])
            maps = np.array(features(images), dtype=np.float32)  # a copy: engines reuse their arrays
            if not np.isfinite(maps).all():
                raise ModelError("the backbone gives features that are not finite", "its weights have diverged")
            found |= dict(zip(batch, maps))
    return [found[i] for i in range(len(views))]
