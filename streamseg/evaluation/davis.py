"""J and F, the measures of DAVIS, for several objects found without prompts: over a sequence, ids matched as wholes.

J = region similarity (IoU), F = agreement of the boundaries (Perazzi et al., CVPR 2016, sections 4.1 and 4.2). Of the
unsupervised multi-object task (Caelles et al., arXiv 1905.00737): every annotated frame counts, the first and the last
too (only the semi-supervised task leaves them out); ids found are assigned one-to-one to the true objects by the
Hungarian method on the mean of (J + F) / 2 over all frames; objects that get no id score with an empty mask; ids that
get no object cost nothing. Unlike there, more than 20 ids are allowed: `protocols.davis17u` allows no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.frame import VOID
from streamseg.masks.assignment import assignment

BOUND = 0.008
"""How far a boundary may be off, as a share of the picture's diagonal."""


class Table(NamedTuple):
    """One frame. found, truth: ids that occur, after a 0 for the empty mask. j, f: (found, truth) of every pair."""

    found: list[int]
    truth: list[int]
    j: np.ndarray
    f: np.ndarray


class Match(NamedTuple):
    """A true object, the id that was assigned to it (0 = none), and its mean J and F over the sequence, 0 ... 1."""

    truth: int
    found: int
    j: float
    f: float


def contingency(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(256, 256) pixels with each pair of ids (found, truth); pixels whose truth is VOID are left out.

    Both (H, W), ids 0 ... 255. Raises ValueError for unequal shapes.
    """
    if found.shape != truth.shape:
        raise ValueError(f"ids found are {found.shape}, truth is {truth.shape}")
    table = np.bincount((found.astype(np.int32) * 256 + truth).ravel(), minlength=65536).reshape(256, 256)
    table[:, VOID] = 0
    return table


def compare(found: np.ndarray, truth: np.ndarray) -> Table:
    """J and F of every id found with every true object of one frame; 0 and VOID are no ids.

    found, truth: (H, W) integer, 0 ... 255. Pixels whose truth is VOID are empty in both.
    """
    counts = contingency(found, truth)
    ids = [[0, *(i for i in np.flatnonzero(counts.any(axis=axis)).tolist() if 0 < i < VOID)] for axis in (1, 0)]
    both = counts[np.ix_(*ids)]
    sizes = [counts.sum(axis=axis)[i] for axis, i in zip((1, 0), ids, strict=True)]
    for size in sizes:
        size[0] = 0  # the empty mask, not the background
    both[0], both[:, 0] = 0, 0
    union = sizes[0][:, None] + sizes[1] - both
    j = np.where(union > 0, both / np.maximum(union, 1), 1.0)
    known = truth != VOID
    edges = [
        [boundary((picture == i) & known) if i else np.zeros_like(known) for i in which]
        for picture, which in zip((found, truth), ids, strict=True)
    ]
    return Table(ids[0], ids[1], j, _boundary_agreement(*edges))


def boundary(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels that differ from their neighbour on the right, below, or below on the right."""
    wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = wide[:-1, :-1]
    return (here != wide[:-1, 1:]) | (here != wide[1:, :-1]) | (here != wide[1:, 1:])


def _boundary_agreement(found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> np.ndarray:
    """(found, truth) F of every pair of boundaries: 2 P R / (P + R), P = share of found near truth, R = vice versa."""
    reach = np.ceil(BOUND * np.linalg.norm(truth[0].shape))
    places = [[np.flatnonzero(edge) for edge in edges] for edges in (found, truth)]
    close = [[near(edge, reach) for edge in edges] for edges in (found, truth)]
    f = np.zeros((len(found), len(truth)))
    for p, g in np.ndindex(f.shape):
        precision = _share(close[1][g], places[0][p], places[1][g])
        recall = _share(close[0][p], places[1][g], places[0][p])
        f[p, g] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f


def _share(close: np.ndarray, places: np.ndarray, others: np.ndarray) -> float:
    """The share of `places` that is close; 1 for none at all; 0 where the other boundary is empty."""
    if not len(places):
        return 1.0
    return float(close[places].mean()) if len(others) else 0.0


def near(edge: np.ndarray, reach: float) -> np.ndarray:
    """(H W,) bool: pixels at most `reach` from the boundary, which is what dilation by a disk gives, but faster."""
    if not edge.any():
        return np.zeros(edge.size, bool)
    distance = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # squares of distances are whole numbers: halfway between two of them no rounding matters
    return (distance <= np.sqrt(reach**2 + 0.5)).ravel()


class Statistics(NamedTuple):
    """Of the values of one object, frame by frame, 0 ... 1. recall: share above .5. decay: how much worse the last
    quarter is than the first."""

    mean: float
    recall: float
    decay: float


def statistics(values: np.ndarray) -> Statistics:
    """(T,) J or F of the frames, at least one -> mean, recall and decay (Perazzi et al., section 4.4).

    Quarters share the frame between them, as in the published evaluation. Raises ValueError for no frame.
    """
    if not len(values):
        raise ValueError("there is no frame")
    ends = np.floor(np.linspace(0, len(values) - 1, 5) + 0.5 + 1e-9).astype(int)  # halves are rounded up
    first, last = values[: ends[1] + 1], values[ends[3] :]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))


def of_pairs(frames: Sequence[Table], ids: Sequence[int], objects: Sequence[int]) -> np.ndarray:
    """(2, T, ids, objects) J and F of ids found with true objects, frame by frame; what is not in a frame is empty
    there, and 0 always is."""
    found = np.zeros((2, len(frames), len(ids), len(objects)))
    for time, frame in enumerate(frames):
        rows = [frame.found.index(i) if i in frame.found else 0 for i in ids]
        columns = [frame.truth.index(i) if i in frame.truth else 0 for i in objects]
        found[:, time] = np.stack([frame.j, frame.f])[:, rows][:, :, columns]
    return found


def ids_in(frames: Sequence[Table]) -> tuple[list[int], list[int]]:
    """Ids found and true objects, rising, without 0."""
    ids, objects = ({i for frame in frames for i in frame[which]} - {0} for which in (0, 1))
    return sorted(ids), sorted(objects)


def assign(frames: Sequence[Table]) -> list[Match]:
    """Match ids to true objects over the whole sequence; one entry for each true object, in order of its id."""
    ids, objects = ids_in(frames)
    if not objects:
        return []
    ids += [0] * max(0, len(objects) - len(ids))
    j, f = of_pairs(frames, ids, objects).mean(axis=1)
    pairs = sorted(zip(*assignment(-j - f), strict=True), key=lambda pair: pair[1])
    return [Match(objects[g], ids[p], float(j[p, g]), float(f[p, g])) for p, g in pairs]
