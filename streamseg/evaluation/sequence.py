"""The figures of one sequence, frame by frame: IoU, J&F, adjusted Rand index, what ids and scores are worth."""

from __future__ import annotations

import numpy as np

from streamseg.evaluation import davis
from streamseg.evaluation.instances.identity import identity
from streamseg.evaluation.instances.precision import AveragePrecision
from streamseg.evaluation.iou import iou, overlap
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
    "segments_best": "IoU of the best single region of each frame, regions alone (the rule of evaluation.paper)",
    "segments_union": "IoU of the best union of regions of each frame",
    "segments_j": "J of the regions",
    "segments_f": "F of the regions",
    "segments_jf": "(J + F) / 2 of the regions",
    "segments_ari": "adjusted Rand index of the regions",
    "segments_id_changes": "share of the pixels whose region's id is another than in the frame before",
    "segments_id_ratio": "the same, relative to the ground truth's own changes",
    "truth_id_changes": "share of the pixels whose true id is another than in the frame before",
}
"""Every figure with its meaning; shares and indices, 1 = perfect but for changes and switches of ids. None where it is
not defined.

Those of segments are of the regions alone, objects or no objects; without objects best is segments_best, union
segments_union.
"""


IOU = ("best", "union", "segments_best", "segments_union", "free")
"""Those of FIGURES that a frame with a foreground has by itself; a sequence has their means over these frames."""


class Sequence:
    """Takes the annotated frames of one sequence in order; `figures` may be asked at any time.

    iou_only: the figures of IOU alone; all others are None.
    """

    def __init__(self, iou_only: bool = False) -> None:
        self.iou_only = iou_only
        self.iou: dict[str, list[float]] = {name: [] for name in IOU}
        self.frames = 0
        self._segments, self._objects, self._truth = _Ids(), _Ids(), _Changes()
        self._precision = AveragePrecision()
        self._before: tuple[int, np.ndarray] | None = None

    def add(self, position: int, segmentation: Segmentation, truth: np.ndarray) -> dict[str, float]:
        """Score one frame and return its own figures of IOU: none where the frame has no foreground, free only where
        objects were looked for.

        position: in the order of processing; only neighbours are compared for changes.
        truth: (H, W), 0 = background, VOID = not counted. Raises ValueError for unequal shapes.
        """
        objects = segmentation.objects
        segments = _fits(segmentation.regions, truth)
        found = segments if objects is None else _fits(segmentation.panoptic, truth)
        found = found | {f"segments_{name}": value for name, value in segments.items()}
        if found and objects is not None:
            found["free"] = iou((objects > 0) & (objects != VOID), truth)
        for name, value in found.items():
            self.iou[name].append(value)
        self.frames += 1
        if not self.iou_only:
            self._compare_ids(position, segmentation, truth)
        return found

    def _compare_ids(self, position: int, segmentation: Segmentation, truth: np.ndarray) -> None:
        before = self._before[1] if self._before and self._before[0] == position - 1 else None
        if before is not None and before.shape != truth.shape:
            before = None
        counted = truth != VOID if before is None else (truth != VOID) & (before != VOID)
        self._segments.add(segmentation.regions, truth, before, counted)
        if segmentation.objects is not None:
            table = self._objects.add(segmentation.objects, truth, before, counted)
            self._precision.add(table, segmentation.scores)
        self._truth.add(truth, before, counted)
        self._before = position, truth

    @property
    def tables(self) -> list[davis.Table]:
        """Of the objects, frame by frame."""
        return self._objects.tables

    @property
    def matches(self) -> list[davis.Match]:
        """Which object's id (without objects: region's) stands for which true object, with its J and F."""
        return davis.assign((self._objects if self._objects.tables else self._segments).tables)

    def figures(self) -> dict[str, float | None]:
        """All of FIGURES."""
        found = {name: float(np.mean(values)) if values else None for name, values in self.iou.items()}
        own = self._truth.mean
        for prefix, ids in (("", self._objects), ("segments_", self._segments)):
            found |= {prefix + name: value for name, value in ids.figures(own).items()}
        found["truth_id_changes"] = own
        found |= self._one_by_one()
        return {name: found[name] for name in FIGURES}

    def _one_by_one(self) -> dict[str, float | None]:
        """What ids and scores of the objects are worth."""
        if not self.tables:
            return dict.fromkeys(("id_switches", "idf1", "ap", "ap_50", "ap_75"))
        lasting = identity(self.tables)
        switches = float(sum(lasting.switches.values())) if lasting.switches else None
        return {"id_switches": switches, "idf1": lasting.idf1} | self._precision.figures()


def _fits(ids: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Best and union of a map of ids; empty where the truth has no foreground."""
    counts = overlap(ids, truth)
    return {"best": counts.best_cluster().iou, "union": counts.best_union().iou} if counts.total else {}


class _Changes:
    """Mean share of the counted pixels whose id is another than in the frame before."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self._before: np.ndarray | None = None

    def add(self, ids: np.ndarray, before: np.ndarray | None, counted: np.ndarray) -> None:
        """before: None where the frame before does not count."""
        if before is not None and self._before is not None and counted.any():
            self.shares.append(float(np.mean((ids != self._before)[counted])))
        self._before = ids

    @property
    def mean(self) -> float | None:
        return float(np.mean(self.shares)) if self.shares else None


class _Ids:
    """What is measured of a map of ids, be they regions or objects."""

    def __init__(self) -> None:
        self.tables: list[davis.Table] = []
        self.counts = np.zeros((256, 256), np.int64)
        self.changes = _Changes()

    def add(self, ids: np.ndarray, truth: np.ndarray, before: np.ndarray | None, counted: np.ndarray) -> davis.Table:
        """The comparison of this frame."""
        self.tables.append(davis.compare(ids, truth))
        self.counts += davis.contingency(ids, truth)
        self.changes.add(ids, before, counted)
        return self.tables[-1]

    def figures(self, own: float | None) -> dict[str, float | None]:
        """own: the ground truth's changes."""
        changes = self.changes.mean
        found = {"ari": adjusted_rand(self.counts) if self.tables else None, "id_changes": changes}
        found["id_ratio"] = changes / own if changes is not None and own else None
        matches = davis.assign(self.tables)
        if not matches:
            return found | dict.fromkeys(("j", "f", "jf"))
        j, f = (float(np.mean(values)) for values in zip(*((m.j, m.f) for m in matches), strict=True))
        return found | {"j": j, "f": f, "jf": (j + f) / 2}


def adjusted_rand(counts: np.ndarray) -> float:
    """Adjusted Rand index (Hubert & Arabie, Journal of Classification 1985, eq. 5) from a contingency table, -1 ... 1.

    1 where both partitions are trivial in the same way, as in scikit-learn.
    """
    counts = counts.astype(np.float64)
    pairs = [(n * (n - 1) / 2).sum() for n in (counts, counts.sum(axis=1), counts.sum(axis=0), counts.sum())]
    both, rows, columns, total = pairs
    expected = rows * columns / total if total else 0.0
    most = (rows + columns) / 2
    return float((both - expected) / (most - expected)) if most != expected else 1.0
