"""DINO: eq. 3 and 4 in NumPy, the head of the paper, crops, schedules, and a teacher without gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from lightly.models.modules import DINOProjectionHead
from torch import nn

from streamseg.backbones import Spec
from train.encoder import Encoder, open_encoder
from train.method import Batch
from train.methods import dino
from train.settings import Settings

SMALL: dict[str, Any] = {"prototypes": 12, "hidden": 16, "bottleneck": 8, "local_crops": 2}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return open_encoder(Spec("timm:resnet10t"), pretrained=False)


def made(encoder: Encoder, **options: Any) -> dino.DINO:
    torch.manual_seed(1)
    return dino.DINO(encoder, dino.Options(**{**SMALL, **options}), Settings(size=64, batch_size=4), 100).train()


def batch_of(method: dino.DINO, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    views = [torch.rand(4, 3, view.size, view.size, generator=generator) for view in method.views()]
    return Batch(views, [], [], [], [], torch.zeros(4, 2, 2, dtype=torch.int64))


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def test_loss_is_equation_3_and_centre_equation_4(encoder: Encoder) -> None:
    method = made(encoder)
    method.cross_entropy.center.copy_(torch.linspace(-0.1, 0.1, 12))
    center, batch = method.cross_entropy.center[0, 0].numpy().copy(), batch_of(method)
    loss = method.loss(batch).item()
    with torch.no_grad():
        teacher = np.stack([part.numpy() for part in method.targets(torch.cat(batch.views[:2])).chunk(2)])
        globals_ = method.head(method.student(torch.cat(batch.views[:2])).pooled).chunk(2)
        locals_ = method.head(method.student(torch.cat(batch.views[2:])).pooled).chunk(2)
    student = np.stack([part.numpy() for part in (*globals_, *locals_)])
    wanted, terms = 0.0, 0
    for t in range(2):
        for s in range(4):
            if t != s:
                wanted -= (softmax((teacher[t] - center) / 0.04) * np.log(softmax(student[s] / 0.1))).sum(1).mean()
                terms += 1
    assert terms == 6
    assert loss == pytest.approx(wanted / terms, rel=1e-5)
    after = 0.9 * center + 0.1 * teacher.reshape(-1, 12).mean(axis=0)
    np.testing.assert_allclose(method.cross_entropy.center[0, 0], after, atol=1e-6)
    assert "cross_entropy.center" in method.state_dict()


def test_head_is_that_of_lightly() -> None:
    ours = dino.Head(10, 16, 8, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = DINOProjectionHead(10, 16, 8, 12)
    theirs.layers.load_state_dict(ours.layers.state_dict())
    with torch.no_grad():
        theirs.last_layer.weight_v.copy_(3 * ours.prototypes)
    pooled = torch.randn(5, 10)
    torch.testing.assert_close(ours(pooled), theirs(pooled))


def test_teacher_gets_no_gradient_and_follows(encoder: Encoder) -> None:
    method = made(encoder, momentum=0.75)
    method.loss(batch_of(method)).backward()
    assert all(parameter.grad is None for parameter in method.teacher.parameters())
    assert method.head.prototypes.grad is not None
    assert all(parameter.grad is not None for parameter in method.student.parameters())
    with torch.no_grad():
        method.head.prototypes.add_(1)
    before = method.teacher[1].prototypes.clone()
    method.update(0)
    torch.testing.assert_close(method.teacher[1].prototypes.data, before + 0.25)
    assert method.backbone() is method.teacher[0]


def test_last_layer_stays_at_first(encoder: Encoder) -> None:
    method = made(encoder, freeze=0.05)
    method.loss(batch_of(method)).backward()
    method.on_after_backward()  # step 0
    assert method.head.prototypes.grad is None


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 0.04), (0.15, 0.055), (0.3, 0.07), (1.0, 0.07)])
def test_temperature_rises(encoder: Encoder, monkeypatch: pytest.MonkeyPatch, share: float, wanted: float) -> None:
    monkeypatch.setattr(dino.DINO, "progress", share)
    assert made(encoder, teacher_temperature=0.07).temperature() == pytest.approx(wanted)


def test_first_centre_is_the_mean_of_the_first_batches(encoder: Encoder) -> None:
    method = made(encoder)
    batches = [batch_of(method, seed) for seed in range(3)]
    method.batches = lambda: iter(batches)
    method.begin()
    found = method.cross_entropy.center[0, 0].clone()
    outputs = torch.cat([method.targets(torch.cat(batch.views[:2])) for batch in batches])
    torch.testing.assert_close(found, outputs.mean(dim=0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "size", "unit"), [("timm:resnet10t", 224, 32), ("timm:vit_tiny_patch16_224", 96, 16)])
def test_local_crops_are_whole_patches(name: str, size: int, unit: int) -> None:
    torch.manual_seed(0)
    encoder = open_encoder(Spec(name, layers=(1,) if "vit" in name else ()), pretrained=False)
    method = dino.DINO(encoder, dino.Options(**SMALL), Settings(size=size), 10)
    assert method.local_size % unit == 0
    assert abs(method.local_size - size * 3 / 7) <= unit / 2
    assert isinstance(method.head, nn.Module)
    assert torch.isfinite(method.loss(batch_of(method)))
