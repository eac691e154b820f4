"""Weights between those that training started from and those that it came to: what is deployed of a fine-tuned net.

WiSE-FT (Wortsman et al., 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903): the mean of a pretrained
net's weights and of the same ones fine-tuned keeps most of what was learnt, and loses less of what was known elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from train.encoder import Encoder


class Averaging:
    """Of `encoder` as it is now with what becomes of it. share: of the later weights, 0 ... 1; 1 = those alone.

    It is not part of a checkpoint: a resumed run starts from the same weights.
    """

    def __init__(self, encoder: Encoder, share: float) -> None:
        self.share = share
        self.start = {name: one.detach().clone() for name, one in encoder.net.state_dict().items()}

    def between(self, trained: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
        """The tensors that lie so far from those of the start to the trained ones, by name. Counters, which have no
        mean, are the trained ones."""
        return {
            name: one
            if share == 1 or not one.is_floating_point()
            else torch.lerp(self.start[name].to(one.device), one, share)
            for name, one in trained.items()
        }

    @contextmanager
    def deploying(self, share: float) -> Iterator[None]:
        """While inside, this share is deployed."""
        usual, self.share = self.share, share
        try:
            yield
        finally:
            self.share = usual

    def state(self, encoder: Encoder) -> dict[str, torch.Tensor]:
        """The tensors of its net to deploy, by name."""
        return self.between(encoder.net.state_dict(), self.share)

    def __call__(self, encoder: Encoder) -> Encoder:
        """`encoder`, or a copy of it with the tensors to deploy."""
        if self.share == 1:
            return encoder
        found = copy.deepcopy(encoder)
        found.net.load_state_dict(self.state(encoder))
        return found
