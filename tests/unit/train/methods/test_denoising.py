"""Denoising: the pixels that each corruption changes, and the error of the restored picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from train.encoder import open_encoder
from train.method import Batch
from train.methods.denoising import Denoising, Options, corrupted
from train.settings import Settings

BATCH = Batch([torch.rand(2, 3, 64, 64, generator=torch.manual_seed(0))], [], [], [], [], torch.zeros(2, 1, 2))


@pytest.fixture(scope="module")
def method() -> Denoising:
    torch.manual_seed(0)
    encoder = open_encoder(Spec("efficientnet_lite0"), pretrained=False)
    return Denoising(encoder, Options(), Settings(size=64), 10)


def test_the_loss_is_the_squared_error_of_the_clean_pixels(method: Denoising) -> None:
    seen = {}
    hooks = [
        method.student.register_forward_pre_hook(lambda _, given: seen.update(given=given[0])),
        method.decoder.register_forward_hook(lambda _, given, result: seen.update(restored=result)),
    ]
    torch.manual_seed(1)
    loss = method.loss(BATCH)
    for hook in hooks:
        hook.remove()
    clean = ((BATCH.views[0] - method.student.mean) / method.student.std).numpy().astype(np.float64)
    restored = seen["restored"].detach().numpy().astype(np.float64)
    assert float(loss.detach()) == pytest.approx(np.mean((restored - clean) ** 2), rel=1e-5)
    lost = (seen["given"] - BATCH.views[0]).abs().amax(dim=1) > 1e-3
    assert float(lost.float().mean()) == pytest.approx(0.25, abs=0.03)  # the net sees the corrupted picture


def test_the_gradient_reaches_encoder_and_decoder(method: Denoising) -> None:
    method.zero_grad()
    method.loss(BATCH).backward()
    assert all(parameter.grad is not None for parameter in method.parameters())
    method.zero_grad()


@pytest.mark.parametrize("level", [0.1, 0.5])
def test_masking_and_salt_change_whole_pixels_in_the_share_asked_for(level: float) -> None:
    clean = torch.randn(4, 3, 100, 100, generator=torch.manual_seed(2))
    for noise in ("masking", "salt"):
        changed = corrupted(clean, noise, level) != clean
        assert float(changed.any(dim=1).float().mean()) == pytest.approx(level, abs=0.02)
    masked = corrupted(clean, "masking", level)
    lost = (masked != clean).any(dim=1, keepdim=True).expand_as(clean)
    assert (masked[lost] == 0).all()
    salted = corrupted(clean, "salt", level)
    for one, before in zip(salted, clean):
        values = one[one != before]
        assert set(values.tolist()) == {float(before.min()), float(before.max())}


def test_gaussian_noise_has_the_standard_deviation_asked_for() -> None:
    clean = torch.zeros(4, 3, 100, 100)
    assert float(corrupted(clean, "gaussian", 0.3).std()) == pytest.approx(0.3, rel=0.02)
