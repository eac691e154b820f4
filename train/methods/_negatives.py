"""Negatives for contrastive losses on sequential frames.

A contrastive loss pushes apart everything except the positive pair. Successive frames show the same scene, so as
negatives they would teach the network to separate what is alike. Therefore a frame of the same recording is not a
negative if it is no further from the query's frame than the positive is; the query's own frame never is one.
"""

from __future__ import annotations

import torch

from streamseg.errors import StreamsegError


def exclusion_distance(frame_ids: torch.Tensor, apart: int) -> torch.Tensor:
    """Return for each pair the distance in frames up to which frames are not negatives: (B, 2, 2) frame ids -> (B,).

    apart: this distance, or -1 = the distance between the frames of the pair.
    """
    gaps = (frame_ids[:, 0, 1] - frame_ids[:, 1, 1]).abs()
    return gaps if apart < 0 else torch.full_like(gaps, apart)


def are_negatives(queries: torch.Tensor, keys: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
    """Return which keys are negatives of which queries: (N, 2) and (M, 2) frame ids -> (N, M) bool.

    Negatives are frames of other recordings, and frames further away than `apart`, (N,).
    """
    other_recording = queries[:, None, 0] != keys[None, :, 0]
    return other_recording | ((queries[:, None, 1] - keys[None, :, 1]).abs() > apart[:, None])


def require_negatives(negatives: torch.Tensor) -> None:
    """Raise StreamsegError if no element of `negatives`, bool, is True, because then nothing can be learnt."""
    if not negatives.any():
        raise StreamsegError(
            "no frame has a negative: all that were drawn lie too near to each other in one recording",
            "lower --apart, or --gap, raise --batch-size, or give more recordings with --data",
        )
