"""Context encoder: the size of the holes, an error inside them alone, and an input without their content."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.backbones import Spec
from train.encoder import open_encoder
from train.method import Batch
from train.methods.context_encoder import ContextEncoder, Options, blocks, central, reconstruction
from train.settings import Settings


def test_the_loss_is_equation_1_per_value_in_the_hole() -> None:
    rng = np.random.default_rng(0)
    picture, painted = rng.normal(size=(2, 2, 3, 8, 8)).astype(np.float32)
    hole = rng.random((2, 1, 8, 8)) < 0.3
    difference = hole * (picture.astype(np.float64) - painted)
    expected = np.linalg.norm(difference) ** 2 / (3 * hole.sum())
    found = reconstruction(*map(torch.from_numpy, (picture, painted, hole)))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=50)
@given(st.integers(32, 224), st.floats(0.1, 0.6), st.integers(0, 2**31))
def test_blocks_cover_no_more_than_their_share_and_not_much_less(side: int, share: float, seed: int) -> None:
    torch.manual_seed(seed)
    covered = blocks(3, side, share).float().mean(dim=(1, 2, 3))
    assert float(covered.max()) <= max(share, 1 / 9) + 1e-6
    assert float(covered.min()) > 0
    assert float(covered.min()) >= share - 1 / 8


def test_the_central_hole_is_a_quarter_in_the_middle() -> None:
    hole = central(2, 64, 0.25)
    assert float(hole.float().mean()) == 0.25
    assert torch.equal(hole, hole.flip(-1))
    assert torch.equal(hole, hole.flip(-2))
    assert hole[0, 0, 16:48, 16:48].all()


@pytest.mark.parametrize("kind", ["blocks", "central"])
def test_the_net_sees_the_mean_colour_in_the_hole(kind: str) -> None:
    torch.manual_seed(0)
    encoder = open_encoder(Spec("efficientnet_lite0"), pretrained=False)
    method = ContextEncoder(encoder, Options(hole=kind), Settings(size=64), 10)
    seen = []
    encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pixels = torch.rand(2, 3, 64, 64)
    method.loss(Batch([pixels], [], [], [], [], torch.zeros(2, 1, 2))).backward()
    changed = (seen[0] != pixels).any(dim=1)
    assert 0.1 < float(changed.float().mean()) <= 0.25
    inside = seen[0].permute(0, 2, 3, 1)[changed]
    assert torch.allclose(inside, encoder.mean.view(1, 3).expand_as(inside))
    assert all(parameter.grad is not None for parameter in method.parameters())
