"""OBoW: the loss against NumPy, the order of the queue, the adaptive temperature, the teacher."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from train.encoder import open_encoder
from train.method import Batch
from train.methods._bags import bag
from train.methods.obow import METHOD, Options, Vocabulary, sample_cells, without_border
from train.settings import Settings


def method(layers: tuple[int, ...] = (4, 5), **options: object):
    torch.manual_seed(0)
    given = Options(**{"words": 12, "momentum": 0.9, "crops": 1, "patches": 2, **options})
    made = METHOD(open_encoder(Spec("resnet18", layers=layers), pretrained=False), given, Settings(size=96), 10)
    made.batches = lambda: (batch(number) for number in range(9))
    return made


def batch(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    views = [torch.rand(4, 3, side, side, generator=generator) for side in (96, 64, 32, 32)]
    return Batch(views, [], [], [], [], torch.zeros(4, 2, 2))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True)) - x.max(1, keepdims=True)


def paper_bags(cells: np.ndarray, words: np.ndarray, delta: float) -> np.ndarray:
    """Return the bags of section 3.2: cells (B, n, D) softly assigned, the maximum over them, normalized to sum 1."""
    bags = []
    for image in cells:
        distances = np.square(image[:, None] - words[None]).sum(axis=2)
        strongest = np.exp(log_softmax(-distances / delta)).max(axis=0)
        bags.append(strongest / strongest.sum())
    return np.array(bags)


def test_loss_is_the_papers() -> None:
    obow = method().eval()
    obow.begin()
    state = [(v.words.numpy().copy(), float(v.distance), v.weights().detach().numpy()) for v in obow.layer_vocabularies]
    with torch.no_grad():
        maps = [part.flatten(2).transpose(1, 2).numpy() for part in obow.local_features(batch(5).views[0])]
        bags = [paper_bags(m.astype(np.float64), w, d / 10.0) for m, (w, d, _) in zip(maps, state)]
        losses = []
        for view in batch(5).views[1:]:
            x = unit(obow.student(view).pooled.numpy())
            per = [-(b * log_softmax(10.0 * x @ w.T)).sum(1).mean() for b, (_, _, w) in zip(bags, state)]
            losses.append(np.mean(per))
        found = float(obow.loss(batch(5)))
    assert found == pytest.approx(losses[0] + np.mean(losses[1:]), abs=1e-5)


def test_the_queue_replaces_the_oldest_words() -> None:
    vocabulary = Vocabulary(10, 3, 4, 10.0)
    keys = torch.arange(28.0)[:, None].expand(28, 3)
    for start in range(0, 28, 4):
        vocabulary.enqueue(keys[start : start + 4])
    assert sorted(vocabulary.words[:, 0].tolist()) == list(range(18, 28))
    assert vocabulary.words.roll(-int(vocabulary.place), 0)[:, 0].tolist() == list(range(18, 28))
    vocabulary.enqueue(keys)
    assert sorted(vocabulary.words[:, 0].tolist()) == list(range(18, 28))


def test_the_queue_starts_full_of_real_features() -> None:
    obow = method().eval()
    random = [level.words.clone() for level in obow.layer_vocabularies]
    obow.begin()
    for before, level in zip(random, obow.layer_vocabularies):
        assert not (before == level.words).all(dim=1).any()
        assert float(level.distance) > 0


def test_words_are_averages_of_cells_of_each_image() -> None:
    features = torch.randn(5, 7, 6, 6)
    found = sample_cells(features, 3).view(5, 3, 7)
    every = torch.stack([features[:, :, y : y + 3, x : x + 3].mean(dim=(2, 3)) for y in range(4) for x in range(4)], 1)
    nearest = torch.cdist(found, every).amin(dim=2)
    assert nearest.max() < 1e-4
    assert sample_cells(torch.randn(2, 7, 1, 2), 4).shape == (8, 7)
    assert without_border(features).shape[2:] == (4, 4)
    assert without_border(features[:, :, :4]).shape[2:] == (4, 6)


def test_the_temperature_follows_the_distances() -> None:
    """Features ten times as large are assigned in the same way once the running mean has converged."""
    cells, words = torch.rand(4, 20, 8), torch.rand(12, 8)
    codes = []
    for scale in (1.0, 10.0):
        vocabulary = Vocabulary(12, 8, 4, 10.0).train()
        vocabulary.words.copy_(words * scale)
        for _ in range(1200):
            vocabulary.codes(cells * scale)
        codes.append(vocabulary.eval().codes(cells * scale))
    assert torch.allclose(codes[0], codes[1], atol=1e-4)
    assert torch.allclose(bag(codes[0]).sum(dim=1), torch.ones(4))


def test_the_teacher_follows_and_gets_no_gradient() -> None:
    obow = method()
    obow.begin()
    obow.train()
    before = [parameter.clone() for parameter in obow.teacher.parameters()]
    obow.loss(batch(1)).backward()
    assert all(parameter.grad is None for parameter in obow.teacher.parameters())
    assert all(level.generator[0].weight.grad.abs().sum() > 0 for level in obow.layer_vocabularies)
    torch.optim.SGD(obow.student.parameters(), 0.5).step()
    obow.update(0)
    for old, its, mine in zip(before, obow.teacher.parameters(), obow.student.parameters(), strict=True):
        assert torch.allclose(its, 0.9 * old + 0.1 * mine, atol=1e-6)


@pytest.mark.parametrize(("layers", "levels"), [((3, 4, 5), 2), ((5,), 1)])
def test_levels_are_the_last_two_layers(layers: tuple[int, ...], levels: int) -> None:
    obow = method(layers)
    assert [level.words.shape[1] for level in obow.layer_vocabularies] == list(obow.student.dims[-2:])
    assert len(obow.layer_vocabularies) == levels


def test_crops_are_smaller_than_the_view_and_of_both_frames() -> None:
    views = method(crops=2, patches=5).views()
    assert [view.size for view in views] == [96, 64, 64, 32, 32, 32, 32, 32]
    assert {view.frame for view in views[1:]} == {0, 1}
    assert views[0].frame == 0
