"""Interpolation between the starting weights and the trained weights of a network: the result is what is deployed.

This is WiSE-FT (Wortsman et al., 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903). The interpolated
weights keep most of what fine-tuning gained, and lose less accuracy on other data.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from train.encoder import Encoder


class Averaging:
    """Interpolates between the present weights of `encoder` and its later, trained weights.

    share: weight of the trained weights, from 0 (starting weights alone) to 1 (trained weights alone).

    This object is not part of a checkpoint, because a resumed run starts from the same weights.
    """

    def __init__(self, encoder: Encoder, share: float) -> None:
        self.share = share
        self.start = {name: tensor.detach().clone() for name, tensor in encoder.net.state_dict().items()}

    def between(self, trained: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
        """Return, by name, the tensors that lie at `share` of the way from the starting to the `trained` tensors.

        Integer tensors, such as the counters of batch norms, cannot be interpolated: the trained ones are returned.
        """
        if share == 1:
            return dict(trained)
        return {
            name: torch.lerp(self.start[name].to(tensor.device), tensor, share)
            if tensor.is_floating_point()
            else tensor
            for name, tensor in trained.items()
        }

    @contextmanager
    def deploying(self, share: float) -> Iterator[None]:
        """Use `share` instead of `self.share` inside the `with` block."""
        previous, self.share = self.share, share
        try:
            yield
        finally:
            self.share = previous

    def state(self, encoder: Encoder) -> dict[str, torch.Tensor]:
        """Return the tensors of the network to deploy, by name."""
        return self.between(encoder.net.state_dict(), self.share)

    def __call__(self, encoder: Encoder) -> Encoder:
        """Return `encoder` itself if `share` is 1, else a copy of it with the tensors to deploy."""
        if self.share == 1:
            return encoder
        averaged = copy.deepcopy(encoder)
        averaged.net.load_state_dict(self.state(encoder))
        return averaged
