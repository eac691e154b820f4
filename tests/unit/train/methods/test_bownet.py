"""BoWNet: bags and loss against NumPy, the vocabulary against K-Means, and rounds that replace teacher and words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from streamseg.clustering.kmeans import kmeans
from streamseg.errors import StreamsegError
from train.encoder import open_encoder
from train.method import Batch
from train.methods.bownet import METHOD, Options
from train.settings import Settings


def method(steps: int = 9, **options: object):
    torch.manual_seed(0)
    given = Options(**{"words": 3, **options})
    made = METHOD(open_encoder(Spec("resnet18"), pretrained=False), given, Settings(size=64, seed=3), steps)
    made.batches = lambda: (batch(number) for number in range(100))
    return made


def batch(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    return Batch(
        [torch.rand(4, 3, 64, 64, generator=generator) for _ in range(3)], [], [], [], [], torch.zeros(4, 2, 2)
    )


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["presence", "counts"])
def test_loss_is_the_papers(kind: str) -> None:
    bownet = method(bag=kind).eval()
    bownet.begin()
    with torch.no_grad():
        cells = bownet.cells(batch(50).views[0]).numpy()
        words, weights, gamma = bownet.words.numpy(), bownet.weights.numpy(), float(bownet.scale)
        expected = []
        for view in batch(50).views[1:]:
            x = bownet.student(view).pooled.numpy()
            x, w = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (x, weights))
            predicted = softmax(gamma * x @ w.T)
            for image in range(4):
                counted = np.zeros(len(words))
                for cell in cells[image]:
                    word = np.square(words - cell).sum(axis=1).argmin()
                    counted[word] = counted[word] + 1 if kind == "counts" else 1
                expected.append(-np.sum(counted / counted.sum() * np.log(predicted[image])))
        found = float(bownet.loss(batch(50)))
    assert found == pytest.approx(np.mean(expected), abs=1e-5)


def test_the_vocabulary_is_the_clustering_of_the_teachers_cells() -> None:
    bownet = method().eval()
    bownet.begin()
    points = torch.cat([bownet.cells(batch(number).views[0]).flatten(0, 1) for number in range(6)])
    assert torch.allclose(bownet.words, torch.from_numpy(kmeans(points.numpy(), 3, seed=3).centroids), atol=1e-6)
    assert torch.allclose(points.norm(dim=1), torch.ones(len(points)), atol=1e-5)


def test_the_teacher_gets_no_gradient_and_keeps_its_norms() -> None:
    bownet = method()
    bownet.begin()
    bownet.train()
    before = {name: tensor.clone() for name, tensor in bownet.teacher.state_dict().items()}
    bownet.loss(batch(1)).backward()
    assert all(parameter.grad is None for parameter in bownet.teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in bownet.teacher.state_dict().items())
    assert bownet.weights.grad is not None
    assert bownet.student.net.conv1.weight.grad is not None


def test_rounds_make_the_student_the_teacher_at_every_third() -> None:
    bownet = method(steps=9, rounds=3).eval()
    bownet.begin()
    changed = []
    for step in range(1, 10):
        with torch.no_grad():
            for parameter in bownet.student.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        words = bownet.words.clone()
        bownet.update(step)
        if not torch.equal(words, bownet.words):
            changed.append(step)
            pairs = zip(bownet.teacher.parameters(), bownet.student.parameters(), strict=True)
            assert all(torch.equal(its, mine) for its, mine in pairs)
    assert changed == [3, 6]  # a last round of no steps would only cost time
    assert int(bownet.round) == 3


def test_a_resumed_run_makes_the_same_vocabulary() -> None:
    first = method(steps=4, rounds=2).eval()
    first.begin()
    second = method(steps=4, rounds=2).eval()
    second.load_state_dict(first.state_dict())
    for bownet in (first, second):
        bownet.update(2)
    assert int(second.round) == 2
    assert torch.equal(first.words, second.words)
    assert torch.equal(first.weights, second.weights)


def test_too_many_words_are_refused() -> None:
    bownet = method(words=8).eval()
    grey = torch.full((4, 3, 64, 64), 0.5)
    bownet.batches = lambda: iter([batch(0)._replace(views=[grey] * 3)])
    with pytest.raises(StreamsegError, match="too few for 8 visual words") as problem:
        bownet.begin()
    assert "--words" in problem.value.hint
