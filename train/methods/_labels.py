"""Annotations in a batch: which frames have one, and which of these are used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from streamseg.errors import SourceError
from streamseg.frame import VOID
from train.method import Batch

MAX_FRAMES = 4096
"""Largest number of frames that are examined before the first step."""


def annotated_draws(batches: Iterator[Batch], seed: int) -> torch.Tensor:
    """Return the sorted `frame_draws` of the annotated frames among the first MAX_FRAMES: (N,) float64.

    At most one epoch of `batches` is examined. Raises SourceError if no frame is annotated.
    """
    seen: set[tuple[int, int]] = set()
    draws: dict[tuple[int, int], float] = {}
    for batch in batches:
        frames = [(recording, frame) for recording, frame in batch.frame_ids[:, 0].tolist()]
        if seen.issuperset(frames) or len(seen) >= MAX_FRAMES:
            break
        seen.update(frames)
        annotated = (batch.masks[0] != VOID).flatten(1).any(dim=1).tolist()
        for frame, draw, is_annotated in zip(frames, frame_draws(batch.frame_ids, seed).tolist(), annotated):
            if is_annotated:
                draws[frame] = draw
    if seen and not draws:
        raise SourceError(
            f"none of the {len(seen)} frames has a mask, and this method needs some",
            "give a DAVIS or CO3D sequence, or a folder, a TUM recording or a video with masks/ beside it",
        )
    return torch.tensor(sorted(draws.values()), dtype=torch.float64)


def frame_draws(frame_ids: torch.Tensor, seed: int) -> torch.Tensor:
    """Return a uniform random number in [0, 1) for the first frame of each sample, always the same for the same frame.

    frame_ids: (B, frames, 2), see `Batch`. Returns (B,) float64.
    """
    draws = [np.random.default_rng((seed, 2, *frame_id)).random() for frame_id in frame_ids[:, 0].tolist()]
    return torch.tensor(draws, dtype=torch.float64)
