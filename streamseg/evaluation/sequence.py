"""Compute the figures of one sequence: IoU, J&F, adjusted Rand index, ID switches, average precision."""

from __future__ import annotations

import numpy as np

from streamseg.evaluation import davis
from streamseg.evaluation.instances.identity import identity
from streamseg.evaluation.instances.precision import AveragePrecision
from streamseg.evaluation.iou import count_pixels, iou
from streamseg.frame import VOID, Segmentation

FIGURES = {
    "best": "IoU of the best single mask of each frame, an object or a region (panoptic), with the foreground",
    "union": "IoU of the best union of masks of each frame, objects and regions",
    "free": "IoU of the union of all objects, which no truth chose, with the foreground",
    "j": "region similarity J of the objects, DAVIS rule",
    "f": "boundary measure F of the objects, DAVIS rule",
    "jf": "(J + F) / 2",
    "ari": "adjusted Rand index of the objects with the truth, over all pixels of the sequence",
    "id_changes": "share of the pixels whose object's id is another than in the frame before",
    "id_ratio": "the same, relative to the ground truth's own changes",
    "id_switches": "how often a true object gets another id than before, where their IoU is at least .5 (CLEAR MOT)",
    "idf1": "IDF1 of the objects: F of the masks that agree (IoU at least .5) with the one id of their true object",
    "ap": "average precision of the objects by their scores, mean over IoU .50 ... .95 (COCO)",
    "ap_50": "the same at IoU .50",
    "ap_75": "the same at IoU .75",
    "segments_best": "IoU of the best single region of each frame, regions alone (the rule of the report)",
    "segments_union": "IoU of the best union of regions of each frame",
    "segments_j": "J of the regions",
    "segments_f": "F of the regions",
    "segments_jf": "(J + F) / 2 of the regions",
    "segments_ari": "adjusted Rand index of the regions",
    "segments_id_changes": "share of the pixels whose region's id is another than in the frame before",
    "segments_id_ratio": "the same, relative to the ground truth's own changes",
    "truth_id_changes": "share of the pixels whose true id is another than in the frame before",
}
"""Every figure with its meaning. The best value is 1, but 0 for changes and switches of ids. A figure that is not
defined is None.

The figures that begin with "segments_" are those of the regions, even if there are objects. Without objects, best
equals segments_best, and union equals segments_union.
"""


IOU = ("best", "union", "segments_best", "segments_union", "free")
"""The figures that each frame with a foreground has. Those of a sequence are the means over these frames."""


class SequenceScores:
    """Takes the annotated frames of one sequence in order. `figures` may be called at any time.

    iou_only: compute only the figures of IOU; all others are None.
    """

    def __init__(self, iou_only: bool = False) -> None:
        self.iou_only = iou_only
        self.iou: dict[str, list[float]] = {name: [] for name in IOU}
        self.frames = 0
        self._regions, self._objects, self._truth = _Ids(), _Ids(), _Changes()
        self._precision = AveragePrecision()
        self._previous: tuple[int, np.ndarray] | None = None  # position and truth of the last frame

    def add(self, position: int, segmentation: Segmentation, truth: np.ndarray) -> dict[str, float]:
        """Score one frame.

        position: number of the frame in the order of processing; ids are compared from one frame to the next only if
        their positions are consecutive. truth: (H, W), 0 = background, VOID = not counted.
        Returns the figures of IOU of this frame: {} if it has no foreground, "free" only if there are objects. Raises
        ValueError for unequal shapes.
        """
        objects = segmentation.objects
        regions = _best_ious(segmentation.regions, truth)
        masks = regions if objects is None else _best_ious(segmentation.panoptic, truth)
        ious = masks | {f"segments_{name}": value for name, value in regions.items()}
        if ious and objects is not None:
            ious["free"] = iou((objects > 0) & (objects != VOID), truth)
        for name, value in ious.items():
            self.iou[name].append(value)
        self.frames += 1
        if not self.iou_only:
            self._compare_ids(position, segmentation, truth)
        return ious

    def _compare_ids(self, position: int, segmentation: Segmentation, truth: np.ndarray) -> None:
        before = self._previous[1] if self._previous and self._previous[0] == position - 1 else None
        if before is not None and before.shape != truth.shape:
            before = None
        counted = truth != VOID if before is None else (truth != VOID) & (before != VOID)
        self._regions.add(segmentation.regions, truth, before, counted)
        if segmentation.objects is not None:
            scores = self._objects.add(segmentation.objects, truth, before, counted)
            self._precision.add(scores, segmentation.scores)
        self._truth.add(truth, before, counted)
        self._previous = position, truth

    @property
    def frame_scores(self) -> list[davis.PairScores]:
        """J and F of the objects in each frame."""
        return self._objects.frame_scores

    @property
    def matches(self) -> list[davis.Match]:
        """The id (of an object; without objects, of a region) that is assigned to each true object."""
        return davis.assign(self._objects.frame_scores or self._regions.frame_scores)

    def figures(self) -> dict[str, float | None]:
        """Return all FIGURES of the frames so far."""
        figures = {name: float(np.mean(values)) if values else None for name, values in self.iou.items()}
        truth_changes = self._truth.mean
        for prefix, ids in (("", self._objects), ("segments_", self._regions)):
            figures |= {prefix + name: value for name, value in ids.figures(truth_changes).items()}
        figures["truth_id_changes"] = truth_changes
        figures |= self._tracking_figures()
        return {name: figures[name] for name in FIGURES}

    def _tracking_figures(self) -> dict[str, float | None]:
        """Return the figures of the ids and of the scores of objects."""
        if not self.frame_scores:
            return dict.fromkeys(("id_switches", "idf1", "ap", "ap_50", "ap_75"))
        result = identity(self.frame_scores)
        switches = float(sum(result.switches.values())) if result.switches else None
        return {"id_switches": switches, "idf1": result.idf1} | self._precision.figures()


def _best_ious(ids: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the IoU of the best id and of the best union of ids; {} if the truth has no foreground."""
    counts = count_pixels(ids, truth)
    return {"best": counts.best_cluster().iou, "union": counts.best_union().iou} if counts.total else {}


class _Changes:
    """Measures the mean share of the counted pixels whose id differs from the frame before."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self._previous: np.ndarray | None = None

    def add(self, ids: np.ndarray, before: np.ndarray | None, counted: np.ndarray) -> None:
        """Add a frame. before: truth of the frame before, None if that does not count. counted: (H, W) bool."""
        if before is not None and self._previous is not None and counted.any():
            self.shares.append(float(np.mean((ids != self._previous)[counted])))
        self._previous = ids

    @property
    def mean(self) -> float | None:
        return float(np.mean(self.shares)) if self.shares else None


class _Ids:
    """Compares the ids of one kind of masks, regions or objects, with the truth."""

    def __init__(self) -> None:
        self.frame_scores: list[davis.PairScores] = []
        self.counts = np.zeros((256, 256), np.int64)
        self.changes = _Changes()

    def add(
        self, ids: np.ndarray, truth: np.ndarray, before: np.ndarray | None, counted: np.ndarray
    ) -> davis.PairScores:
        """Add a frame, see `_Changes.add`. Returns its J and F."""
        self.frame_scores.append(davis.compare(ids, truth))
        self.counts += davis.contingency(ids, truth)
        self.changes.add(ids, before, counted)
        return self.frame_scores[-1]

    def figures(self, truth_changes: float | None) -> dict[str, float | None]:
        """Return the figures. truth_changes: mean share of the pixels whose true id changes."""
        changes = self.changes.mean
        figures = {"ari": adjusted_rand(self.counts) if self.frame_scores else None, "id_changes": changes}
        figures["id_ratio"] = changes / truth_changes if changes is not None and truth_changes else None
        matches = davis.assign(self.frame_scores)
        if not matches:
            return figures | dict.fromkeys(("j", "f", "jf"))
        j = float(np.mean([match.j for match in matches]))
        f = float(np.mean([match.f for match in matches]))
        return figures | {"j": j, "f": f, "jf": (j + f) / 2}


def adjusted_rand(counts: np.ndarray) -> float:
    """Compute the adjusted Rand index, -1 ... 1, from a contingency table of pixels.

    Hubert & Arabie, Journal of Classification 1985, eq. 5. It is 1 if both partitions are trivial in the same way, as
    in scikit-learn.
    """

    def pairs(numbers: np.ndarray) -> float:
        return float((numbers * (numbers - 1) / 2).sum())

    counts = counts.astype(np.float64)
    both, total = pairs(counts), pairs(counts.sum())
    rows, columns = pairs(counts.sum(axis=1)), pairs(counts.sum(axis=0))
    expected = rows * columns / total if total else 0.0
    largest = (rows + columns) / 2
    return (both - expected) / (largest - expected) if largest != expected else 1.0
