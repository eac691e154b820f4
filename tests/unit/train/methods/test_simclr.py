"""SimCLR: NT-Xent against NumPy and lightly, and which frames are negatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies
from lightly.loss import NTXentLoss

from streamseg.backbones import Spec
from streamseg.errors import StreamsegError
from train.encoder import open_encoder
from train.method import Batch
from train.methods._negatives import are_negatives, exclusion_distance
from train.methods.simclr import METHOD, Options, nt_xent
from train.settings import Settings


def paper(left: np.ndarray, right: np.ndarray, negatives: np.ndarray, temperature: float) -> float:
    """Return eq. 1, query by query."""
    z = np.concatenate([left, right])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    count, losses = len(left), []
    for i in range(2 * count):
        j = (i + count) % (2 * count)
        similar = np.exp(z @ z[i] / temperature)
        losses.append(-np.log(similar[j] / (similar[j] + sum(similar[k] for k in range(2 * count) if negatives[i, k]))))
    return float(np.mean(losses))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_loss_is_the_papers(share: float) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 8, 16))
    negatives = rng.random((16, 16)) < share
    for i in range(16):
        negatives[i, [i, (i + 8) % 16]] = False
    found = nt_xent(torch.tensor(left), torch.tensor(right), torch.tensor(negatives), temperature=0.1)
    assert float(found) == pytest.approx(paper(left, right, negatives, 0.1), abs=1e-5)


def test_loss_is_lightlys_where_all_are_negatives() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(2, 8, 16)
    everything = torch.ones(16, 16, dtype=torch.bool)
    lightly = NTXentLoss(temperature=0.2)(left, right)
    assert float(nt_xent(left, right, everything, temperature=0.2)) == pytest.approx(float(lightly), abs=1e-5)


FRAMES = strategies.lists(strategies.tuples(strategies.integers(0, 2), strategies.integers(0, 30)), min_size=1)


@given(FRAMES, strategies.integers(0, 10))
def test_neighbouring_frames_are_not_negatives(frames: list[tuple[int, int]], apart: int) -> None:
    found = are_negatives(torch.tensor(frames), torch.tensor(frames), torch.full((len(frames),), apart))
    for i, (recording, frame) in enumerate(frames):
        for j, (other, its) in enumerate(frames):
            assert bool(found[i, j]) == (recording != other or abs(frame - its) > apart)


def test_the_distance_of_the_positive_decides_what_is_near() -> None:
    numbers = torch.tensor([[[0, 3], [0, 5]], [[1, 9], [1, 2]], [[1, 4], [1, 4]]])
    assert exclusion_distance(numbers, -1).tolist() == [2, 7, 0]
    assert exclusion_distance(numbers, 4).tolist() == [4, 4, 4]


def test_frames_without_negatives_are_refused() -> None:
    method = METHOD(open_encoder(Spec("resnet18"), pretrained=False), Options(), Settings(batch_size=2), 10)
    near = Batch([], [], [], [], [], torch.tensor([[[0, 3], [0, 9]], [[0, 3], [0, 9]]]))
    method.batches = lambda: iter([near])
    with pytest.raises(StreamsegError, match="no frame has a negative") as refusal:
        method.begin()
    assert "--apart" in refusal.value.hint
    method.batches = lambda: iter([near._replace(frame_ids=near.frame_ids + torch.tensor([[[0, 0]], [[0, 9]]]))])
    method.begin()
