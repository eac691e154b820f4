"""Which frames may be negatives of each other: sequential frames show the same things, and are none.

Contrastive methods push apart whatever is not the positive. In recordings the frames before and after show the same
scene: as negatives they would teach the net to tell apart what should be alike. So the rule here is that a frame that
could have been drawn as the positive of another, or is that frame itself, is never its negative.
"""

from __future__ import annotations

import torch

from streamseg.errors import StreamsegError
from train.settings import Settings


def distance(apart: int, settings: Settings) -> int:
    """Frames of a recording up to this far apart are no negatives: as told, or (-1) the highest gap of a pair."""
    return settings.gap[1] if apart < 0 else apart


def allowed(queries: torch.Tensor, keys: torch.Tensor, apart: int) -> torch.Tensor:
    """(N, 2) and (M, 2), recording and frame -> (N, M) bool: other recordings, and frames further than `apart`."""
    recordings = queries[:, None, 0] != keys[None, :, 0]
    return recordings | ((queries[:, None, 1] - keys[None, :, 1]).abs() > apart)


def require_negatives(numbers: torch.Tensor, apart: int) -> None:
    """Raise StreamsegError if none of these frames, (N, 2), has a negative among them: nothing could be learnt."""
    if not allowed(numbers, numbers, apart).any():
        raise StreamsegError(
            f"no frame has a negative: those drawn lie within {apart} frames of each other",
            "lower --apart (or the higher end of --gap), raise --batch-size, or give more recordings with --data",
        )
