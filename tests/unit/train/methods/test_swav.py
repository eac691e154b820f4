"""SwAV: the loss against NumPy and lightly, balanced codes, the queue, prototypes of length 1, the crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightly.loss import SwaVLoss

from streamseg.backbones import Spec
from tests.unit.train.conftest import HostReads
from train.encoder import open_encoder
from train.method import Batch
from train.methods.swav import METHOD, Options, swapped_prediction
from train.settings import Settings


def sinkhorn(scores: np.ndarray, epsilon: float) -> np.ndarray:
    """Return eq. 5: Diag(u) exp(C^T Z / epsilon) Diag(v), three rounds of rows to 1 / K and columns to 1 / B."""
    q = np.exp(scores.T / epsilon)
    q /= q.sum()
    for _ in range(3):
        q = q / q.sum(axis=1, keepdims=True) / len(q)
        q = q / q.sum(axis=0, keepdims=True) / q.shape[1]
    return (q * q.shape[1]).T


def paper(codes: list[np.ndarray], scores: list[np.ndarray], temperature: float) -> float:
    """Return eq. 2 and 6: every large crop's code with every other crop's prediction."""
    terms = []
    for i, code in enumerate(codes):
        for j, score in enumerate(scores):
            p = np.exp(score / temperature)
            terms += [] if i == j else [-(code * np.log(p / p.sum(axis=1, keepdims=True))).sum(axis=1).mean()]
    return float(np.mean(terms))


def method(queue: int = 6, crops: int = 2):
    torch.manual_seed(0)
    options = Options(hidden=32, projection=8, prototypes=5, queue=queue, crops=crops)
    return METHOD(open_encoder(Spec("resnet18"), pretrained=False), options, Settings(batch_size=4, size=64), 10)


def batch(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    views = [torch.rand(4, 3, side, side, generator=generator) for side in (64, 64, 32, 32)]
    return Batch(views, [], [], [], [], torch.zeros(4, 2, 2, dtype=torch.int64))


@pytest.mark.parametrize("small", [0, 3])
def test_loss_is_the_papers_and_lightlys(small: int) -> None:
    swav = method(queue=0)
    scores = list(torch.rand(2 + small, 4, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    found = swapped_prediction(swav.codes(scores[:2]), *scores, temperature=0.1)
    arrays = [part.double().numpy() for part in scores]
    assert float(found) == pytest.approx(paper([sinkhorn(part, 0.05) for part in arrays[:2]], arrays, 0.1), rel=1e-5)
    assert float(found) == pytest.approx(float(SwaVLoss()(scores[:2], scores[2:])), rel=1e-5)


def test_codes_are_balanced_over_the_queue() -> None:
    swav = method()
    earlier = torch.nn.functional.normalize(torch.randn(2, 4, 8), dim=2)
    swav.enqueue(list(earlier))
    scores = torch.rand(2, 4, 5) * 2 - 1
    for crop, code in enumerate(swav.codes(list(scores))):
        queued = earlier[crop] @ swav.prototypes.weight.detach().T
        wanted = sinkhorn(torch.cat([scores[crop], queued]).double().numpy(), 0.05)[:4]
        assert np.allclose(code.numpy(), wanted, atol=1e-5)


def test_the_queue_keeps_the_newest() -> None:
    swav = method()
    for number in range(1, 4):
        swav.enqueue([torch.full((4, 8), float(number)), torch.full((4, 8), -float(number))])
    assert int(swav.queued) == 6
    assert swav.queue[:, :, 0].tolist() == [[3, 3, 3, 3, 2, 2], [-3, -3, -3, -3, -2, -2]]


def test_the_length_of_the_queue_is_restored_with_the_state() -> None:
    """A queue that is half full when a run is interrupted has the same filled rows after resuming."""
    first, second = method(), method()
    first.enqueue([torch.ones(4, 8), torch.ones(4, 8)])
    second.load_state_dict(first.state_dict())
    assert second.queue_length == first.queue_length == int(second.queued) == 4
    scores = list(torch.rand(2, 4, 5))
    assert torch.equal(second.codes(scores), first.codes(scores))


def test_a_step_reads_no_value_of_a_tensor() -> None:
    swav = method()
    with HostReads() as reads:
        for number in range(3):
            swav.loss(batch(number)).backward()
            swav.update(number + 1)
        assert reads.count == 0
        assert int(swav.queued) == swav.queue_length == 6  # one read, which is counted
    assert reads.count == 1


def test_prototypes_have_length_1_after_each_step() -> None:
    swav = method()
    swav.loss(batch(1)).backward()
    torch.optim.SGD(swav.parameters(), 1.0).step()
    assert not torch.allclose(swav.prototypes.weight.norm(dim=1), torch.ones(5), atol=1e-3)
    swav.update(1)
    assert torch.allclose(swav.prototypes.weight.norm(dim=1), torch.ones(5), atol=1e-6)


def test_frozen_prototypes_get_no_gradient() -> None:
    swav = method()
    swav.loss(batch(1)).backward()
    assert swav.prototypes.weight.grad.abs().max() > 0
    swav.on_before_optimizer_step(torch.optim.SGD(swav.parameters(), 1.0))
    assert swav.prototypes.weight.grad.abs().max() == 0


def test_crops_are_multiples_of_the_stride() -> None:
    views = method(crops=3).views()
    assert [(view.size % 32, view.frame) for view in views] == [(0, 0), (0, 1), (0, 0), (0, 1), (0, 0)]
    assert views[0].size > views[2].size
