"""Colorization: Lab against published values and OpenCV, equations 2 to 4 against NumPy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from train.encoder import open_encoder
from train.method import Batch
from train.methods import _lab
from train.methods.colorization import Colorization, Options, classification, encoded, rebalanced
from train.settings import Settings

BINS = _lab.bins()


@pytest.mark.parametrize(
    ("rgb", "ab"),
    [((1, 0, 0), (80.09, 67.20)), ((0, 1, 0), (-86.18, 83.18)), ((0, 0, 1), (79.19, -107.86)), ((1, 1, 1), (0, 0))],
)  # of sRGB's primaries, as published for D65
def test_lab_has_the_published_values(rgb: tuple[float, ...], ab: tuple[float, ...]) -> None:
    found = _lab.ab(torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1))
    np.testing.assert_allclose(found.flatten().numpy(), ab, atol=0.02)


def test_lab_and_grey_agree_with_opencv() -> None:
    pixels = np.random.default_rng(0).random((16, 16, 3), np.float32)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    np.testing.assert_allclose(_lab.ab(tensor)[0].permute(1, 2, 0).numpy(), lab[..., 1:], atol=0.6)
    grey = _lab.grey(tensor)[0].permute(1, 2, 0).contiguous().numpy()
    np.testing.assert_allclose(cv2.cvtColor(grey, cv2.COLOR_RGB2Lab)[..., 0], lab[..., 0], atol=0.3)
    assert (grey[..., 0] == grey[..., 2]).all()


def test_every_colour_has_a_bin_within_half_a_width() -> None:
    colours = torch.rand(1, 3, 64, 64, generator=torch.manual_seed(0))
    ab = _lab.ab(colours).flatten(2)[0].T
    nearest = BINS[torch.cdist(ab, BINS).argmin(dim=1)]
    assert float(((ab - nearest).abs() <= 5.001).all(dim=1).float().mean()) > 0.999
    assert 250 <= len(BINS) <= 313
    assert len(torch.unique(BINS, dim=0)) == len(BINS)


def test_soft_encoding_is_the_gaussian_of_the_five_nearest() -> None:
    ab = _lab.ab(torch.rand(2, 3, 3, 4, generator=torch.manual_seed(1)))
    found = encoded(ab, BINS).numpy()
    for place in np.ndindex(2, 3, 4):
        point = ab[place[0], :, place[1], place[2]].double().numpy()
        distances = ((BINS.double().numpy() - point) ** 2).sum(axis=1)
        nearest = np.argsort(distances)[:5]
        expected = np.zeros(len(BINS))
        expected[nearest] = np.exp(-distances[nearest] / (2 * 5.0**2))
        np.testing.assert_allclose(found[place[0], :, place[1], place[2]], expected / expected.sum(), atol=1e-4)


@pytest.mark.parametrize("uniform", [0.5, 1.0, 0.1])
def test_weights_are_equation_4_with_mean_1(uniform: float) -> None:
    counts = torch.rand(len(BINS), generator=torch.manual_seed(2)) ** 8 * 1000
    found = rebalanced(counts, BINS, uniform).double().numpy()
    bins, p = BINS.double().numpy(), np.zeros(len(BINS))
    for centre, count in zip(bins, counts.double().numpy()):
        kernel = np.exp(-((bins - centre) ** 2).sum(axis=1) / (2 * 5.0**2))
        p += count * kernel / kernel.sum()  # each count is spread over its neighbours
    p /= p.sum()
    expected = 1 / ((1 - uniform) * p + uniform / len(p))
    np.testing.assert_allclose(found, expected / (p * expected).sum(), rtol=1e-4)
    assert float((p * found).sum()) == pytest.approx(1, rel=1e-4)


def test_the_loss_is_equation_2() -> None:
    rng = np.random.default_rng(3)
    logits, weights = rng.normal(size=(2, 7, 3, 3)), rng.random(7)
    truth = rng.dirichlet(np.full(7, 0.3), (2, 3, 3)).transpose(0, 3, 1, 2)
    predicted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = (weights[truth.argmax(axis=1)] * -(truth * np.log(predicted)).sum(axis=1)).mean()
    found = classification(*(torch.from_numpy(part).float() for part in (logits, truth, weights)))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_begin_counts_the_colours_of_the_run_and_the_net_sees_grey() -> None:
    torch.manual_seed(0)
    encoder = open_encoder(Spec("efficientnet_lite0"), pretrained=False)
    method = Colorization(encoder, Options(), Settings(size=64, batch_size=2), 10)
    red = torch.zeros(2, 3, 64, 64)
    red[:, 0] = 1
    batch = Batch([red], [], [], [], [], torch.zeros(2, 1, 2))
    method.batches = lambda: iter([batch] * 3)
    method.begin()
    shown = (method.bins - torch.tensor([80.0, 70.0])).abs().sum(dim=1).argmin()
    assert int(method.weights.argmin()) == int(shown)  # the only colour there is counts least
    seen = []
    encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    method.loss(batch).backward()
    assert torch.equal(seen[0][:, 0], seen[0][:, 2])
    assert all(parameter.grad is not None for parameter in method.parameters())
    assert "weights" in method.state_dict()
