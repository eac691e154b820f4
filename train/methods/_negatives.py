"""Which frames may be negatives of each other: sequential frames show the same things, and are none.

Contrastive methods push apart whatever is not the positive. In recordings the frames before and after show the same
scene: as negatives they would teach the net to tell apart what should be alike. So the rule here is that a frame of the
same recording that is no further from the query than its positive is no negative, and never the query's own frame.
"""

from __future__ import annotations

import torch

from streamseg.errors import StreamsegError


def reach(numbers: torch.Tensor, apart: int) -> torch.Tensor:
    """(B, 2, 2), recording and frame of a pair -> (B,) frames around each that are no negatives.

    apart: the same for all, or -1 = as far as the two of the pair are from each other.
    """
    gaps = (numbers[:, 0, 1] - numbers[:, 1, 1]).abs()
    return gaps if apart < 0 else torch.full_like(gaps, apart)


def allowed(queries: torch.Tensor, keys: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
    """(N, 2), (M, 2), recording and frame -> (N, M) bool: other recordings, and frames further than `apart`, (N,)."""
    recordings = queries[:, None, 0] != keys[None, :, 0]
    return recordings | ((queries[:, None, 1] - keys[None, :, 1]).abs() > apart[:, None])


def require_negatives(negatives: torch.Tensor) -> None:
    """Raise StreamsegError if `negatives`, bool, are none at all: nothing could be learnt."""
    if not negatives.any():
        raise StreamsegError(
            "no frame has a negative: all that were drawn lie too near to each other in one recording",
            "lower --apart, or --gap, raise --batch-size, or give more recordings with --data",
        )
