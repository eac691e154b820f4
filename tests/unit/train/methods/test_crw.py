"""Contrastive random walk: the loss against NumPy, corresponding cells, and the loss of a perfect walk."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.backbones import Spec
from train.data.views import View, make_view
from train.encoder import open_encoder
from train.method import Batch
from train.methods.crw import METHOD, Options, corresponding_cells, patches, return_loss
from train.settings import Settings


def method(**options: object):
    torch.manual_seed(0)
    given = Options(**{"length": 3, "projection": 8, **options})
    return METHOD(open_encoder(Spec("resnet18", layers=(3, 4)), pretrained=False), given, Settings(size=64), 10)


def paper(clip: np.ndarray, home: np.ndarray, target: np.ndarray, temperature: float) -> float:
    """Return the paper's loss of one clip, (T, n, D), walk by walk and node by node."""

    def step(here: np.ndarray, there: np.ndarray) -> np.ndarray:
        weights = np.exp(here @ there.T / temperature)
        return weights / weights.sum(axis=1, keepdims=True)

    losses = []
    for turn in range(1, len(clip)):
        there = [*clip[: turn + 1]]
        frames = there + there[-2:0:-1] + [home]
        walk = np.eye(len(home))
        for here, ahead in itertools.pairwise(frames):
            walk = walk @ step(here, ahead)
        losses.append(-np.mean([np.log(walk[i, target[i]]) for i in range(len(home)) if target[i] >= 0]))
    return float(np.mean(losses))


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("length", [2, 3, 5])
def test_loss_is_the_papers(length: int) -> None:
    rng = np.random.default_rng(length)
    clip, home = unit(rng, length, 6, 8), unit(rng, 6, 8)
    target = np.array([3, 0, -1, 5, 1, -1])
    walks = method(length=length).eval().walks(torch.tensor(clip)[None], torch.tensor(home)[None])
    found = torch.stack([return_loss(walk, torch.tensor(target)[None]) for walk in walks]).mean()
    assert float(found) == pytest.approx(paper(clip, home, target, 0.07), abs=1e-5)


def test_steps_are_probabilities_even_without_edges() -> None:
    crw = method(edge_dropout=0.99).train()
    nodes = torch.nn.functional.normalize(torch.randn(2, 5, 8), dim=2)
    step = crw.step(nodes, nodes)
    assert torch.allclose(step.sum(dim=2), torch.ones(2, 5), atol=1e-6)
    assert (step == 0).any()


def test_nodes_that_encode_positions_alone_do_not_return() -> None:
    """The second crop has this purpose: a code of positions gives perfect walks in one crop, and useless ones in
    two."""
    crw = method().eval()
    places = torch.eye(16)[None]
    clip = places.expand(3, -1, -1)[None]
    straight = crw.walks(clip, places)
    boxes = torch.tensor([[[0.0, 0.0, 0.8, 0.8]], [[0.25, 0.2, 1.0, 1.0]]])
    target = corresponding_cells(boxes, torch.tensor([[False], [True]]), 4)
    assert (target >= 0).sum() >= 4
    assert float(return_loss(straight[0], torch.arange(16)[None])) < 0.01
    assert float(return_loss(straight[0], target)) > math.log(16)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_corresponding_cells_show_the_same_point(seed: int) -> None:
    """The reference is a picture whose colours are its coordinates, cropped by the project's own views."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:256, 0:256].astype(np.uint8)
    picture = torch.from_numpy(np.stack([rows, columns, np.zeros_like(rows)]))
    view = View(64, scale=(0.4, 1.0), jitter=0, grey=0, blur=0)
    made = [make_view(view, picture, None, rng) for _ in range(2)]
    boxes, flips = torch.stack([m.box for m in made])[:, None], torch.stack([m.flip for m in made])[:, None]
    target = corresponding_cells(boxes, flips, 4)[0]
    here, there = (torch.nn.functional.avg_pool2d(m.pixels[None], 16)[0].flatten(1).T[:, :2] for m in made)
    cell = torch.stack([(boxes[1, 0, 3] - boxes[1, 0, 1]), (boxes[1, 0, 2] - boxes[1, 0, 0])]) / 4
    known = target >= 0
    apart = (here[known] - there[target[known]]).abs()
    assert (apart <= cell / 2 + 0.02).all()
    inside = (here[~known, None] - there[None]).abs().amin(dim=1) if (~known).any() else torch.ones(1, 2)
    assert (inside > cell / 2 - 0.02).any(dim=1).all()


def test_a_view_takes_over_the_crop_of_another() -> None:
    """In a picture of another size, and in another size of the view: the same relative box, the same flip."""
    picture = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 96, 128), dtype=np.uint8))
    plain = View(64, jitter=0, grey=0, blur=0)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        first = make_view(plain, picture, None, rng)
        again = make_view(plain, picture, None, rng, first)
        assert torch.equal(first.pixels, again.pixels)
        assert torch.equal(first.box, again.box)
        large = picture.repeat_interleave(2, 1).repeat_interleave(2, 2)
        half = make_view(View(32, jitter=0, grey=0, blur=0), large, None, rng, first)
        assert torch.allclose(half.box, first.box, atol=1e-6)
        assert half.flip == first.flip
        assert (half.pixels - torch.nn.functional.avg_pool2d(first.pixels, 2)).abs().mean() < 0.06


def test_patches_are_cut_from_the_grid() -> None:
    images = torch.arange(64 * 64.0).view(1, 1, 64, 64).expand(2, 3, 64, 64)
    cut = patches(images)
    assert cut.shape == (2, 49, 3, 16, 16)
    assert torch.equal(cut[1, 9], images[1, :, 8:24, 16:32])


@pytest.mark.parametrize("graph", ["cells", "patches"])
def test_a_clip_has_its_length_and_one_crop(graph: str) -> None:
    crw = method(graph=graph)
    views = crw.views()
    assert crw.frames_per_sample == 3
    assert [view.frame for view in views] == ([0, 1, 2, 0] if graph == "cells" else [0, 1, 2])
    assert [view.same_crop_as for view in views[:3]] == [-1, 0, 0]
    pictures = [torch.rand(2, 3, 64, 64) for _ in views]
    boxes = [torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2)] * len(views)
    batch = Batch(pictures, boxes, [torch.zeros(2, dtype=torch.bool)] * len(views), [], [], torch.zeros(2, 3, 2))
    crw._trainer = None
    crw.log_figures = lambda **figures: None
    loss = crw.loss(batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(parameter.grad is not None for parameter in crw.head.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in crw.student.parameters() if parameter.grad is not None)
