"""Annotations in a batch: whether there are any, and which frames may show theirs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from streamseg.errors import SourceError
from streamseg.frame import VOID
from train.method import Batch

LOOKED_AT = 4096
"""Frames at most that are looked at before the first step; more would say the same."""


def annotated(batches: Iterator[Batch], seed: int) -> torch.Tensor:
    """(N,) float64: the lots of the frames that have a mask, among the first LOOKED_AT; one epoch of `batches` at most.

    Raises SourceError where no frame has one.
    """
    seen: set[tuple[int, int]] = set()
    found: dict[tuple[int, int], float] = {}
    for batch in batches:
        frames = [(recording, frame) for recording, frame in batch.numbers[:, 0].tolist()]
        if seen.issuperset(frames) or len(seen) >= LOOKED_AT:
            break
        seen.update(frames)
        labelled = (batch.masks[0] != VOID).flatten(1).any(dim=1).tolist()
        found |= {frame: lot for frame, lot, has in zip(frames, lots(batch.numbers, seed).tolist(), labelled) if has}
    if seen and not found:
        raise SourceError(
            f"none of the {len(seen)} frames has a mask, and this method needs some",
            "give a DAVIS or CO3D sequence, or a folder, a TUM recording or a video with masks/ beside it",
        )
    return torch.tensor(sorted(found.values()), dtype=torch.float64)


def lots(numbers: torch.Tensor, seed: int) -> torch.Tensor:
    """(B, frames, 2) numbers of recordings and frames -> (B,) float64 in [0, 1), always the same for the same frame."""
    drawn = [np.random.default_rng((seed, 2, *pair)).random() for pair in numbers[:, 0].tolist()]
    return torch.tensor(drawn, dtype=torch.float64)
