"""Mean Teacher: geometry between views, which annotations are used, the costs against NumPy, the EMA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.backbones import Spec
from streamseg.errors import SourceError
from streamseg.frame import VOID
from train.data.views import View, make_view
from train.encoder import open_encoder
from train.method import Batch
from train.methods._labels import frame_draws
from train.methods._warp import warped
from train.methods.mean_teacher import MeanTeacher, Options, consistency, rampup_weight, segmentation
from train.settings import Settings


def batch(start: int = 0, labelled: bool = True) -> Batch:
    torch.manual_seed(start)
    views = [torch.rand(4, 3, 64, 64) for _ in range(2)]
    boxes, flips = [torch.tensor([0.0, 0, 1, 1]).repeat(4, 1)] * 2, [torch.zeros(4, dtype=torch.bool)] * 2
    masks = [torch.randint(0, 4, (4, 64, 64), dtype=torch.uint8) if labelled else torch.full((4, 64, 64), VOID)] * 2
    numbers = torch.tensor([[[0, start + frame]] for frame in range(4)])
    return Batch(views, boxes, flips, masks, [], numbers)


def method(**options: float) -> MeanTeacher:
    torch.manual_seed(0)
    encoder = open_encoder(Spec("efficientnet_lite0"), pretrained=False)
    return MeanTeacher(encoder, Options(**options), Settings(size=64), 100)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_a_warped_view_shows_what_the_other_view_shows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = torch.meshgrid(torch.linspace(0, 1, 200), torch.linspace(0, 1, 160), indexing="xy")
    picture = (torch.stack([x, y, (x + y) / 2]) * 255).byte()
    view = View(48, jitter=0, grey=0, blur=0)
    one, two = (make_view(view, picture, None, rng) for _ in range(2))
    seen, known = warped(one.pixels[None], (one.box[None], one.flip[None]), (two.box[None], two.flip[None]))
    grid = torch.linspace(0.5 / 48, 1 - 0.5 / 48, 48)
    across = two.box[0] + (1 - grid if two.flip else grid) * (two.box[2] - two.box[0])
    down = two.box[1] + grid * (two.box[3] - two.box[1])
    inside = ((across >= one.box[0]) & (across <= one.box[2]))[None, :] & ((down >= one.box[1]) & (down <= one.box[3]))[
        :, None
    ]
    assert float((known[0, 0] != inside).float().mean()) < 0.05  # rounding at the very edge
    difference = (seen[0] - two.pixels).abs().amax(dim=0)[known[0, 0]]
    assert len(difference) == 0 or float(difference.max()) < 0.03


def test_the_costs_agree_with_numpy() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 6, 6))
    targets = rng.dirichlet(np.ones(3), (2, 6, 6)).transpose(0, 3, 1, 2)
    known, labels = rng.random((2, 1, 6, 6)) < 0.6, rng.choice([0, 1, 2, VOID], (2, 6, 6))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    squared = ((p - targets) ** 2).mean(axis=1)[known[:, 0]].mean()
    entropy = [-np.log(p[b, labels[b, i, j], i, j]) for b, i, j in np.ndindex(2, 6, 6) if labels[b, i, j] != VOID]
    tensor = torch.from_numpy(logits)
    assert float(consistency(tensor, torch.from_numpy(targets), torch.from_numpy(known))) == pytest.approx(
        squared, rel=1e-5
    )
    assert float(segmentation(tensor, torch.from_numpy(labels))) == pytest.approx(np.mean(entropy), rel=1e-5)
    assert float(segmentation(tensor, torch.full((2, 6, 6), VOID))) == 0


def test_the_weight_rises_as_published() -> None:
    assert rampup_weight(0, 0.4) == pytest.approx(np.exp(-5))
    assert rampup_weight(0.2, 0.4) == pytest.approx(np.exp(-5 / 4))
    assert rampup_weight(0.4, 0.4) == rampup_weight(1, 0.4) == rampup_weight(0, 0) == 1


@pytest.mark.parametrize(("share", "count"), [(0.25, 4), (0.5, 8), (1.0, 16), (0.0, 1)])
def test_exactly_the_share_of_annotated_frames_keeps_its_masks(share: float, count: int) -> None:
    trained = method(labelled_share=share)
    epoch = [batch(start, labelled=start < 16) for start in range(0, 24, 4)]
    trained.batches = lambda: iter(epoch + epoch)
    trained.begin()
    uses = [(trained.labels(one) != VOID).flatten(1).any(dim=1) for one in epoch]
    assert int(torch.cat(uses).sum()) == count
    assert {int(label) for one in epoch for label in trained.labels(one).unique()} <= {0, 1, VOID}


def test_the_draw_depends_on_frame_and_seed_alone() -> None:
    numbers = torch.tensor([[[0, 1]], [[1, 0]], [[0, 1]]])
    found = frame_draws(numbers, 5)
    assert found[0] == found[2] != found[1]
    assert frame_draws(numbers, 6)[0] != found[0]


def test_data_without_masks_is_an_error_with_a_hint() -> None:
    trained = method()
    trained.batches = lambda: iter([batch(labelled=False)] * 2)
    with pytest.raises(SourceError, match="none of the 4 frames has a mask") as caught:
        trained.begin()
    assert "DAVIS" in caught.value.hint


def test_the_deployed_head_learns_the_teachers_predictions() -> None:
    trained = method()
    head, views = trained.deployed_head(), batch().views[1]
    assert head is not None
    answers = torch.zeros(4, 2, 16, 16)
    answers[:, 1, :, :8] = 1
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        losses.append(trained.head_loss(head, views, answers))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1].item() < losses[0].item()
    assert all(p.grad is None for part in (trained.teacher, trained.student, trained.head) for p in part.parameters())
    assert method(classes=3).deployed_head() is None  # a linear unit of two sides cannot say which


def test_the_teacher_gets_no_gradient_and_is_the_average_of_the_student() -> None:
    trained = method()
    trained.log_figures = lambda **figures: None  # type: ignore[method-assign]  # there is no trainer to record figures
    trained.loss(batch()).backward()
    assert all(parameter.grad is None for parameter in trained.teacher.parameters())
    assert all(parameter.grad is not None for parameter in trained.head.parameters())
    mine, its = next(trained.student.parameters()), next(trained.teacher.parameters())
    first = its.clone()
    with torch.no_grad():
        mine += 1
    for step, momentum in ((1, 0.5), (10, 10 / 11), (25, 25 / 26), (5000, 0.999)):
        before = its.clone()
        trained.update(step)
        torch.testing.assert_close(its, momentum * before + (1 - momentum) * mine)
    assert not torch.equal(first, its)
    assert trained.backbone() is trained.teacher[0]
