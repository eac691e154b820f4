"""The dense probe: measures how well clusters of the features fit the objects in held-out frames that have masks.

Each recording has one codebook with a fixed k, and borders come from bilinear enlargement. This ranks checkpoints with
less noise than the pipeline of `run`: on such features the knee nearly always chooses 2 and sometimes jumps, K-Means of
each single frame adds noise, and a guided filter would give the borders of the image to any features. For the same
reason K-Means is run with several seeds, and the IoU is averaged.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from streamseg.clustering.kmeans import kmeans, squared_distances
from streamseg.errors import FrameError, ModelError, SourceError
from streamseg.evaluation.iou import count_pixels, free_choice
from streamseg.features.descriptors import rows
from streamseg.features.preparation import input_size, prepare
from streamseg.frame import VOID, Frame
from streamseg.masks.upsample import upsample_labels
from streamseg.sources import Recording
from streamseg.text import counted, first_few
from train.probes import FeatureFunction, Result

FIGURES = ("iou_best", "iou_union", "iou_free")
"""Names of the scores, see `DenseProbe`."""
MIN_MASK_SHARE = 1e-3
"""Frames whose masks have a smaller share of the area are skipped, such as hidden targets of CO3D."""
MIN_MAXIMUM = 8
"""Frames without a larger pixel value are skipped as black: CO3D hides its test targets in this way."""
CODEBOOK_CELLS = 4096
"""Number of cells from which a codebook is learnt."""
BATCH = 8
"""Number of frames that go through the network at once."""


@dataclass(frozen=True, eq=False)
class ProbeFrame:
    """One frame in the size of the network's input.

    rgb: (H, W, 3) uint8. truth: (H, W) uint8, 0 = background, 1 = object, 255 = void. index: of the frame.
    """

    rgb: np.ndarray
    truth: np.ndarray
    index: int = 0


class DenseProbe:
    """Decodes the frames once; a call measures a network on them.

    recordings: those without a usable mask are left out, see `skipped`; SourceError if all are. Frames that cannot be
    read, or whose mask cannot, are left out, too, see `unreadable`: {uri: one "name: reason" for each}.
    size: of the network's input, its shorter side or (H, W), rounded to multiples of `multiple`.
    frames: largest number of frames of each recording, at equal distances.
    k: number of clusters. repeats: number of K-Means runs that are averaged. seed: of the clustering.

    The ground truth of a frame is its foreground: all its objects together. iou_best is the IoU of the best single
    cluster in each frame (the rule of the report). iou_union is the IoU of the best union of clusters in each frame, an
    upper limit of any choice. iou_free is the IoU of the clusters that are chosen for the recording without labels, by
    comparing the center of the frames with their border.
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
        self.unreadable: dict[str, list[str]] = {}
        self.frames: dict[str, list[ProbeFrame]] = {}
        for recording in recordings:
            lost: list[str] = []
            chosen = [probe_frame(frame, size, multiple) for frame in usable(recording, frames, lost.append)]
            if lost:
                self.unreadable[recording.uri] = lost
            if chosen:
                self.frames[recording.uri] = chosen
            else:
                self.skipped[recording.uri] = "no frame with a mask" + (" that can be read" if lost else "")
        if not self.frames:
            tried = first_few(self.skipped) or "nothing"
            lost = [line for lines in self.unreadable.values() for line in lines]
            if lost:
                raise SourceError(
                    f"no frame with a mask in {tried} can be read: {first_few(lost)}", "repair them, or give others"
                )
            raise SourceError(
                f"the dense probe needs frames with masks, and found none in {tried}",
                "give a recording with masks: CO3D, DAVIS, or images/ and masks/",
            )

    def notes(self) -> list[str]:
        """Return one line for each recording that is left out, and for each with frames that cannot be read."""
        lost = (
            f"{uri}: {counted(len(lines), 'frame')} cannot be used: {first_few(lines)}"
            for uri, lines in self.unreadable.items()
        )
        return [*(f"{uri}: left out, {reason}" for uri, reason in self.skipped.items()), *lost]

    def halves(self) -> tuple[DenseProbe, DenseProbe]:
        """Return two probes without a common frame: the first and the second half of each recording.

        One can choose a checkpoint whose result the other measures. Recordings with one frame go to the two probes in
        turn. Raises SourceError if there is only one frame."""
        first, second = copy.copy(self), copy.copy(self)
        first.frames, second.frames = {}, {}
        for number, (uri, frames) in enumerate(self.frames.items()):
            ordered = sorted(frames, key=lambda frame: frame.index)
            middle = (len(ordered) + 1 - number % 2) // 2
            for half, half_frames in ((first, ordered[:middle]), (second, ordered[middle:])):
                if half_frames:
                    half.frames[uri] = half_frames
        if not first.frames or not second.frames:
            raise SourceError(
                "one frame with a mask cannot both choose a checkpoint and judge it",
                "give --val more frames with masks",
            )
        return first, second

    def __call__(self, features: FeatureFunction) -> dict[str, float]:
        """Return {"iou_best", "iou_union", "iou_free"}: the mean over the recordings of the means over their frames.

        Raises ModelError for features that are not finite.
        """
        return self.result(features).figures()

    def result(self, features: FeatureFunction) -> Result:
        """Return the scores of each frame; the groups are the recordings."""
        scores = []
        for frames in self.frames.values():
            maps = maps_of(features, frames)
            runs = [self._measure(frames, maps, self.seed + run) for run in range(self.repeats)]
            scores.append(np.mean(runs, axis=0))
        columns = np.concatenate(scores).T
        return replace(self.units(), scores=dict(zip(FIGURES, columns)))

    def units(self) -> Result:
        """Return a result without scores, which tells the groups of the frames."""
        groups = np.repeat(np.arange(len(self.frames)), [len(frames) for frames in self.frames.values()])
        return Result({}, groups, tuple(self.frames), macro=True)

    def _measure(self, frames: list[ProbeFrame], maps: list[np.ndarray], seed: int) -> np.ndarray:
        """Return the (frames, 3) IoUs of one recording with one codebook."""
        distances = cluster_distances(maps, self.k, seed)
        k = len(distances[0])
        free = free_choice([distance.argmin(axis=0) for distance in distances], k)
        ious = []
        for frame, distance in zip(frames, distances, strict=True):
            counts = count_pixels(upsample_labels(-distance, frame.rgb, radius=0), frame.truth, k)
            ious.append((counts.best_cluster().iou, counts.best_union().iou, counts.iou(free)))
        return np.array(ious)


def cluster_distances(maps: list[np.ndarray], k: int, seed: int) -> list[np.ndarray]:
    """Learn one codebook of all maps (D, h, w); return the squared distances to its centroids, (k, h, w) for each map.

    There are fewer than k centroids if the maps have fewer distinct cells.
    """
    points = np.concatenate([rows(features) for features in maps])
    chosen = np.random.default_rng(seed).permutation(len(points))[:CODEBOOK_CELLS]
    centroids = kmeans(points[np.sort(chosen)], k, seed=seed).centroids
    return [squared_distances(rows(features), centroids).T.reshape(-1, *features.shape[1:]) for features in maps]


def usable(
    recording: Recording, frames: int, tell: Callable[[str], object] = lambda unreadable: None
) -> Iterator[Frame]:
    """Yield at most `frames` frames whose masks can be measured, at equal distances.

    Ends early if the first 4 * `frames` frames have no annotation. tell: called with "name: reason" for each frame
    that was tried and cannot be read.
    """
    yielded = annotated = 0
    for tried, index in enumerate(_van_der_corput(len(recording))):
        if yielded == frames or (not annotated and tried == 4 * frames):
            return
        try:
            frame = recording[index]
            truth = frame.annotation
        except FrameError as problem:
            tell(f"{recording.name_of(index)}: {problem}")
            continue
        annotated += truth is not None
        if truth is None or frame.rgb.max() < MIN_MAXIMUM:
            continue
        if ((truth > 0) & (truth != VOID)).mean() >= MIN_MASK_SHARE:
            yielded += 1
            yield frame


def _van_der_corput(length: int) -> list[int]:
    """Return 0 ... length - 1 in the order of van der Corput's sequence: any first part of it is spread evenly."""
    bits = max(1, (length - 1).bit_length())
    reversed_bits = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits))
    return [index for index in reversed_bits if index < length]


def probe_frame(frame: Frame, size: tuple[int, int] | int, multiple: int) -> ProbeFrame:
    """Return a frame with its mask in the network's input size, see `DenseProbe`."""
    height, width = input_size((frame.rgb.shape[0], frame.rgb.shape[1]), size, multiple)
    annotation = frame.annotation
    assert annotation is not None
    truth = np.where(annotation == VOID, VOID, annotation > 0).astype(np.uint8)
    interpolation = cv2.INTER_AREA if frame.rgb.shape[0] >= 2 * height else cv2.INTER_LINEAR  # the same as in `prepare`
    rgb = cv2.resize(frame.rgb, (width, height), interpolation=interpolation)
    return ProbeFrame(rgb, cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST), frame.index)


def maps_of(features: FeatureFunction, frames: list[ProbeFrame]) -> list[np.ndarray]:
    """Return a copy of the features (D, h, w) of each frame. Those of one size go through the network together."""
    by_frame: dict[int, np.ndarray] = {}
    for shape in dict.fromkeys(frame.rgb.shape for frame in frames):
        indices = [i for i, frame in enumerate(frames) if frame.rgb.shape == shape]
        for start in range(0, len(indices), BATCH):
            batch = indices[start : start + BATCH]
            images = np.concatenate([prepare(frames[i].rgb, shape[:2]) for i in batch])
            maps = np.array(features(images), dtype=np.float32)  # a copy: engines reuse their arrays
            if not np.isfinite(maps).all():
                raise ModelError("the backbone gives features that are not finite", "its weights have diverged")
            by_frame |= dict(zip(batch, maps))
    return [by_frame[i] for i in range(len(frames))]
