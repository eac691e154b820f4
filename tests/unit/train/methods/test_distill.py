"""Distillation: both terms against NumPy, a frozen teacher, and training of the features that are deployed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec, open_backbone
from streamseg.errors import StreamsegError
from train.encoder import open_encoder
from train.method import Batch
from train.methods._anchor import activation_energy
from train.methods._cells import cka_distance, deployed_features
from train.methods.distill import METHOD, Options, regression
from train.settings import Settings

VIT, FILE = "timm:vit_tiny_patch16_224", "vit_tiny_patch16_224_imagenet.safetensors"


def method(shared: Path, student: str = "efficientnet_lite0", size: int = 64, **options: object):
    torch.manual_seed(0)
    given = Options(**{"teacher": VIT, "teacher_weights": str(shared / "weights" / FILE), **options})
    made = METHOD(open_encoder(Spec(student), pretrained=student != VIT), given, Settings(size=size), 10)
    made.log_figures = lambda **figures: None
    return made


def batch(views: int = 4, size: int = 64) -> Batch:
    return Batch([torch.rand(2, 3, size, size) for _ in range(views)], [], [], [], [], torch.zeros(2, 2, 2))


def test_regression_is_one_minus_the_cosine() -> None:
    rng = np.random.default_rng(0)
    mine, its = rng.normal(size=(2, 2, 5, 3, 4))
    cosines = [
        mine[b, :, y, x] @ its[b, :, y, x] / np.linalg.norm(mine[b, :, y, x]) / np.linalg.norm(its[b, :, y, x])
        for b in range(2)
        for y in range(3)
        for x in range(4)
    ]
    assert float(regression(torch.tensor(mine), torch.tensor(its))) == pytest.approx(1 - np.mean(cosines), abs=1e-6)


def test_relation_is_one_minus_cka() -> None:
    """The reference is the definition of CKA with centred Gram matrices (Kornblith et al., 2019, eqs. 2 and 4)."""
    rng = np.random.default_rng(1)
    mine, its = rng.normal(size=(3, 7, 5)), rng.normal(size=(3, 7, 9))
    centring = np.eye(7) - 1 / 7
    values = []
    for x, y in zip(mine, its):
        k, l = (centring @ z @ z.T @ centring for z in (x, y))  # noqa: E741
        values.append(np.sum(k * l) / np.sqrt(np.sum(k * k) * np.sum(l * l)))
    assert float(cka_distance(torch.tensor(mine), torch.tensor(its))) == pytest.approx(1 - np.mean(values), abs=1e-6)


def test_relation_has_the_invariances_of_clustering() -> None:
    features = torch.randn(2, 20, 6, dtype=torch.float64)
    turned = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    assert float(cka_distance(features, 3 * features @ turned + 5)) == pytest.approx(0, abs=1e-9)
    assert float(cka_distance(features, torch.randn(2, 20, 6, dtype=torch.float64))) > 0.3


def test_the_teacher_is_the_deployed_one_and_is_not_trained(shared: Path) -> None:
    learner = method(shared).train()
    images = torch.rand(2, 3, 64, 64)
    spec = Spec(VIT, str(shared / "weights" / FILE))
    backbone = open_backbone(spec, (64, 64), engine="torch", device="cpu")
    np.testing.assert_allclose(learner.targets(images).numpy(), backbone(images.numpy()), atol=1e-5)
    learner.loss(batch()).backward()
    assert all(p.grad is None and not p.requires_grad for p in learner._teacher[0].parameters())
    kept = {name.split(".")[0] for name in learner.state_dict()}
    assert kept == {"student", "regressor", "teacher_sha256"}  # a teacher in every checkpoint would be dead weight
    assert all(p.grad is not None for p in learner.student.parameters())


@pytest.mark.parametrize("student", ["efficientnet_lite0", VIT])
def test_the_deployed_features_are_trained(shared: Path, student: str) -> None:
    learner = method(shared, student).eval()
    images = torch.rand(1, 3, 64, 64)
    wanted = learner.student.inference_copy((64, 64))(images)[0]
    # positions are interpolated by two routes: cubic, once, or in every pass
    assert torch.allclose(deployed_features(learner.student, images), wanted, atol=1e-4 if student != VIT else 2e-3)


def test_views_of_teacher_and_student_share_crops_but_not_colours(shared: Path) -> None:
    views = method(shared, teacher_size=100).views()
    assert [view.frame for view in views] == [0, 0, 1, 1]
    assert [view.same_crop_as for view in views] == [-1, 0, -1, 2]
    assert [view.size for view in views] == [96, 64, 96, 64]
    assert all(view.jitter == 0 for view in views[::2])
    assert all(view.jitter > 0 for view in views[1::2])


def test_steps_bring_the_similarities_nearer(shared: Path) -> None:
    learner = method(shared, anchor=0).train()
    seen = batch()
    optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], 1e-3)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = learner.loss(seen)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0], losses


def test_the_anchor_holds_the_activation_energy(shared: Path) -> None:
    changed = []
    for anchor in (0.0, 1.0):
        learner, seen = method(shared, anchor=anchor).eval(), batch()  # as in fine-tuning, norms stay
        first = activation_energy(learner.student(seen.views[1])).detach()
        optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], 1e-3)
        for _ in range(5):
            optimizer.zero_grad()
            learner.loss(seen).backward()
            optimizer.step()
        changed.append(float((activation_energy(learner.student(seen.views[1])).detach() - first).square().mean()))
    assert changed[1] < 0.5 * changed[0], changed


def test_another_teacher_is_noticed_on_resume(shared: Path) -> None:
    learner = method(shared)
    state = {"state_dict": {"teacher_sha256": learner.teacher_sha256 + 1}}
    with pytest.raises(StreamsegError, match="have changed"):
        learner.on_load_checkpoint(state)


def test_sizes_that_cut_cells_are_refused(shared: Path) -> None:
    with pytest.raises(StreamsegError, match="multiple of 32") as problem:
        method(shared, size=100)
    assert "--size 96" in problem.value.hint
