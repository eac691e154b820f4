"""J and F, the measures of DAVIS, for several objects that were found without prompts.

J is the region similarity (IoU), F the agreement of the boundaries (Perazzi et al., CVPR 2016, sections 4.1 and 4.2).
The rules are those of the unsupervised multi-object task (Caelles et al., arXiv 1905.00737). Every annotated frame
counts, the first and the last too; only the semi-supervised task leaves these out. Predicted ids are assigned
one-to-one to the true objects by the Hungarian method, on the mean of (J + F) / 2 over all frames of a sequence. An
object without an id is compared with an empty mask. An id without an object costs nothing. The task allows at most 20
ids; that limit is in `protocols.davis17u`, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.frame import VOID
from streamseg.masks.assignment import assignment

BOUND = 0.008
"""Largest distance between matching boundary pixels, as a share of the diagonal of the image."""


class PairScores(NamedTuple):
    """J and F of every pair of a predicted id and a true object in one frame, 0 ... 1.

    found, truth: the ids that occur, after a 0 for the empty mask. j, f: (len(found), len(truth)).
    """

    found: list[int]
    truth: list[int]
    j: np.ndarray
    f: np.ndarray


class Match(NamedTuple):
    """A true object, the id assigned to it (0 = none), and their mean J and F over the sequence, 0 ... 1."""

    truth: int
    found: int
    j: float
    f: float


def contingency(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count the pixels of each pair of ids. Pixels whose truth is VOID are left out.

    found, truth: (H, W), ids 0 ... 255. Returns (256, 256), indexed by found and truth. Raises ValueError for unequal
    shapes.
    """
    if found.shape != truth.shape:
        raise ValueError(f"ids found are {found.shape}, truth is {truth.shape}")
    table = np.bincount((found.astype(np.int32) * 256 + truth).ravel(), minlength=65536).reshape(256, 256)
    table[:, VOID] = 0
    return table


def compare(found: np.ndarray, truth: np.ndarray) -> PairScores:
    """Compute J and F of every predicted id with every true object of one frame. 0 and VOID are no ids.

    found, truth: (H, W) integer, 0 ... 255. Pixels whose truth is VOID count as empty in both.
    """
    counts = contingency(found, truth)
    found_ids, true_ids = _ids(counts.sum(axis=1)), _ids(counts.sum(axis=0))
    intersection = counts[np.ix_(found_ids, true_ids)]
    found_sizes, true_sizes = counts.sum(axis=1)[found_ids], counts.sum(axis=0)[true_ids]
    # index 0 is the empty mask, but counts[0] is the background
    found_sizes[0], true_sizes[0] = 0, 0
    intersection[0], intersection[:, 0] = 0, 0
    union = found_sizes[:, None] + true_sizes - intersection
    j = np.where(union > 0, intersection / np.maximum(union, 1), 1.0)
    known = truth != VOID
    found_edges = [boundary((found == i) & known) if i else np.zeros_like(known) for i in found_ids]
    true_edges = [boundary((truth == i) & known) if i else np.zeros_like(known) for i in true_ids]
    return PairScores(found_ids, true_ids, j, _boundary_f(found_edges, true_edges))


def _ids(sizes: np.ndarray) -> list[int]:
    """Return 0 for the empty mask, then the ids 1 ... 254 that occur. sizes: (256,) pixels of each id."""
    return [0, *(i for i in np.flatnonzero(sizes).tolist() if 0 < i < VOID)]


def boundary(mask: np.ndarray) -> np.ndarray:
    """Return the boundary of an (H, W) bool mask: the pixels that differ from their neighbour on the right, below, or
    below on the right."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    return (here != padded[:-1, 1:]) | (here != padded[1:, :-1]) | (here != padded[1:, 1:])


def _boundary_f(found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> np.ndarray:
    """Compute F of every pair of boundaries: 2 P R / (P + R), P = share of found near truth, R = of truth near found.

    found, truth: the boundaries, (H, W) bool. Returns (len(found), len(truth)).
    """
    bound = np.ceil(BOUND * np.linalg.norm(truth[0].shape))
    found_pixels, true_pixels = ([np.flatnonzero(edge) for edge in edges] for edges in (found, truth))
    near_found, near_true = ([near(edge, bound) for edge in edges] for edges in (found, truth))
    f = np.zeros((len(found), len(truth)))
    for p, g in np.ndindex(f.shape):
        precision = _share_near(found_pixels[p], near_true[g], true_pixels[g])
        recall = _share_near(true_pixels[g], near_found[p], found_pixels[p])
        f[p, g] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f


def _share_near(pixels: np.ndarray, near_other: np.ndarray, other: np.ndarray) -> float:
    """Return the share of the boundary pixels that are near the other boundary.

    pixels, other: flat indices of the boundary pixels. near_other: (H W,) bool. The share is 1 if there are no pixels,
    and 0 if only the other boundary has none.
    """
    if not len(pixels):
        return 1.0
    return float(near_other[pixels].mean()) if len(other) else 0.0


def near(edge: np.ndarray, bound: float) -> np.ndarray:
    """Find the pixels at most `bound` pixels from the boundary `edge`, (H, W) bool. Returns (H W,) bool.

    The result is that of a dilation by a disk, but faster.
    """
    if not edge.any():
        return np.zeros(edge.size, bool)
    distance = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # squared distances are integers, so a limit between two of them is safe from rounding
    return (distance <= np.sqrt(bound**2 + 0.5)).ravel()


class Statistics(NamedTuple):
    """Statistics of J or F over the frames of one object, from values 0 ... 1.

    recall: share of the frames above .5. decay: mean of the first quarter of the frames minus that of the last.
    """

    mean: float
    recall: float
    decay: float


def statistics(values: np.ndarray) -> Statistics:
    """Compute mean, recall and decay of J or F (Perazzi et al., section 4.4). values: (T,), at least one frame.

    Neighbouring quarters share the frame between them, as in the published evaluation. Raises ValueError for no frame.
    """
    if not len(values):
        raise ValueError("there is no frame")
    ends = np.floor(np.linspace(0, len(values) - 1, 5) + 0.5 + 1e-9).astype(int)  # halves are rounded up
    first, last = values[: ends[1] + 1], values[ends[3] :]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))


def over_time(frames: Sequence[PairScores], ids: Sequence[int], objects: Sequence[int]) -> np.ndarray:
    """Return J and F of the given ids and true objects in each frame: (2, T, len(ids), len(objects)).

    An id or object that is not in a frame has an empty mask there. 0 is the empty mask.
    """
    scores = np.zeros((2, len(frames), len(ids), len(objects)))
    for time, frame in enumerate(frames):
        rows = [frame.found.index(i) if i in frame.found else 0 for i in ids]
        columns = [frame.truth.index(i) if i in frame.truth else 0 for i in objects]
        scores[:, time] = np.stack([frame.j, frame.f])[:, rows][:, :, columns]
    return scores


def ids_in(frames: Sequence[PairScores]) -> tuple[list[int], list[int]]:
    """Return all predicted ids and all true objects of a sequence, each sorted and without 0."""
    ids = {i for frame in frames for i in frame.found}
    objects = {i for frame in frames for i in frame.truth}
    return sorted(ids - {0}), sorted(objects - {0})


def assign(frames: Sequence[PairScores]) -> list[Match]:
    """Assign ids to true objects over a sequence. Returns one match for each true object, sorted by its id."""
    ids, objects = ids_in(frames)
    if not objects:
        return []
    ids += [0] * max(0, len(objects) - len(ids))
    j, f = over_time(frames, ids, objects).mean(axis=1)
    pairs = sorted(zip(*assignment(-j - f), strict=True), key=lambda pair: pair[1])
    return [Match(objects[g], ids[p], float(j[p, g]), float(f[p, g])) for p, g in pairs]
