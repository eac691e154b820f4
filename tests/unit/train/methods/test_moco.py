"""MoCo v2: InfoNCE against NumPy, the order of the queue, the momentum encoder, and its batch norms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from streamseg.errors import StreamsegError
from train.encoder import open_encoder
from train.method import Batch
from train.methods.moco import METHOD, Options, info_nce
from train.settings import Settings


def paper(q: np.ndarray, k: np.ndarray, queue: np.ndarray, negatives: np.ndarray, temperature: float) -> float:
    """Return eq. 1 of MoCo, query by query."""
    losses = []
    for i in range(len(q)):
        positive = np.exp(q[i] @ k[i] / temperature)
        others = sum(np.exp(q[i] @ queue[j] / temperature) for j in range(len(queue)) if negatives[i, j])
        losses.append(-np.log(positive / (positive + others)))
    return float(np.mean(losses))


def method(momentum: float = 0.9, queue: int = 12, batch: int = 4, apart: int = -1):
    torch.manual_seed(0)
    options = Options(hidden=32, projection=8, queue=queue, momentum=momentum, apart=apart)
    return METHOD(open_encoder(Spec("resnet18"), pretrained=False), options, Settings(batch_size=batch, size=64), 10)


def batch(number: int, recording: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(number)
    views = [torch.rand(4, 3, 64, 64, generator=generator) for _ in range(2)]
    frames = torch.arange(4)[:, None] * 10 + torch.tensor([0, 3]) + 100 * number
    return Batch(views, [], [], [], [], torch.stack([torch.full_like(frames, recording), frames], dim=2))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_loss_is_the_papers(share: float) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4 + 4 + 20, 16))
    q, k, queue = np.split(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), [4, 8])
    negatives = rng.random((4, 20)) < share
    found = info_nce(*(torch.tensor(part) for part in (q, k, queue, negatives)), temperature=0.2)
    assert float(found) == pytest.approx(paper(q, k, queue, negatives, 0.2), abs=1e-5)


def test_the_queue_replaces_the_oldest_keys() -> None:
    moco = method(queue=10)
    keys = torch.arange(28.0)[:, None].expand(28, 8)
    numbers = torch.arange(28)[:, None].expand(28, 2)
    for start in range(0, 28, 4):
        moco.enqueue(keys[start : start + 4], numbers[start : start + 4])
    assert sorted(moco.queue[:, 0].tolist()) == list(range(18, 28))
    assert moco.queued[:, 1].tolist() == moco.queue[:, 0].tolist()
    assert moco.queue.roll(-int(moco.place), 0)[:, 0].tolist() == list(range(18, 28))  # oldest first from `place` on


def test_a_batch_larger_than_the_queue_leaves_its_last() -> None:
    moco = method(queue=3)
    moco.enqueue(torch.arange(4.0)[:, None].expand(4, 8), torch.zeros(4, 2, dtype=torch.int64))
    assert sorted(moco.queue[:, 0].tolist()) == [1, 2, 3]


def test_the_queue_starts_full_of_real_keys() -> None:
    moco = method().eval()
    moco.batches = lambda: (batch(number) for number in range(9))
    moco.begin()
    wanted = torch.cat([moco.keys(batch(number).views[1]) for number in range(3)])
    assert torch.allclose(moco.queue, wanted, atol=1e-6)
    assert moco.queued.tolist() == torch.cat([batch(number).frame_ids[:, 1] for number in range(3)]).tolist()


def test_one_short_recording_is_refused() -> None:
    moco = method(queue=4, apart=3).eval()
    near = batch(0)
    moco.batches = lambda: iter([near._replace(frame_ids=near.frame_ids // 10)])
    with pytest.raises(StreamsegError, match="no frame has a negative"):
        moco.begin()


def test_keys_near_the_query_do_not_count() -> None:
    """The loss does not depend on the keys of frames near the query."""
    losses = []
    for apart in (40, 20):
        for fill in (1.0, -1.0):
            moco = method(apart=apart)
            moco.enqueue(torch.full((4, 8), fill), batch(1).frame_ids[:, 1])
            moco.enqueue(torch.ones(4, 8) / 8**0.5, batch(1, recording=1).frame_ids[:, 1])
            losses.append(float(moco.loss(batch(1)).detach()))
    assert losses[0] == losses[1]  # all four queries lie within 33 frames of these keys
    assert losses[2] != losses[3]


def test_keys_follow_and_get_no_gradient() -> None:
    moco = method()
    before = [parameter.clone() for parameter in moco.key.parameters()]
    moco.loss(batch(1)).backward()
    assert all(parameter.grad is None for parameter in moco.key.parameters())
    torch.optim.SGD(moco.student.parameters(), 0.5).step()
    moco.update(1)
    for old, its, mine in zip(before, moco.key.parameters(), moco.query().parameters(), strict=True):
        assert torch.allclose(its, 0.9 * old + 0.1 * mine, atol=1e-6)


def test_a_key_does_not_depend_on_its_batch() -> None:
    moco = method().train()
    view = batch(1).views[1]
    assert torch.allclose(moco.keys(view)[:2], moco.keys(view[:2]), atol=1e-5)
    moco.student(view)
    old, new = moco.key[0].net.bn1.running_mean.clone(), moco.student.net.bn1.running_mean
    moco.update(1)
    assert torch.allclose(moco.key[0].net.bn1.running_mean, 0.9 * old + 0.1 * new, atol=1e-6)
