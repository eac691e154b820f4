"""ODIN: masks follow views, the contrastive loss is DetCon's, each network has its own momentum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import DetConBLoss

from streamseg.backbones import Spec
from train.encoder import open_encoder
from train.method import Batch
from train.methods import odin
from train.methods._detcon import contrastive_loss
from train.methods._masks import cluster_frames, masks_in_view, pool_under_masks
from train.settings import Settings

B, M, D = 3, 4, 6


def reference(predicted, other, same, valid, temperature, recordings=None) -> float:
    """Compute eq. 3 of DetCon literally, with loops and without matrices."""

    def unit(vector):
        return vector / np.linalg.norm(vector)

    losses = []
    for b, m in np.argwhere(valid):
        anchor = unit(predicted[b, m])
        positive = np.exp(anchor @ unit(other[b, m]) / temperature)
        negative = 0.0
        for c, n in np.argwhere(valid):
            if (c, n) == (b, m) or (recordings is not None and c != b and recordings[c] == recordings[b]):
                continue
            negative += np.exp(anchor @ unit(other[c, n]) / temperature)
            negative += np.exp(anchor @ unit(same[c, n]) / temperature)
        losses.append(-np.log(positive / (positive + negative)))
    return float(np.mean(losses))


def vectors(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(B, M, D, generator=generator, dtype=torch.float64) for _ in range(4)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_contrast_is_the_formula(seed: int, by_recording: bool) -> None:
    predicted, other, same, noise = vectors(seed)
    valid = noise[..., 0] > -0.5
    valid[0, 0] = True
    recordings = torch.tensor([0, 0, 1]) if by_recording else None
    found = contrastive_loss(predicted, other, same, valid, 0.1, recordings)
    whose = None if recordings is None else recordings.numpy()
    wanted = reference(predicted.numpy(), other.numpy(), same.numpy(), valid.numpy(), 0.1, whose)
    assert float(found) == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_contrast_agrees_with_lightly_where_all_masks_are_valid() -> None:
    a, b, target_a, target_b = (part.float() for part in vectors(0))
    everything = torch.ones(B, M, dtype=torch.bool)
    ids = torch.arange(M).expand(B, M)
    wanted = DetConBLoss(0.1, gather_distributed=False)(a, b, target_a, target_b, ids, ids)
    found = contrastive_loss(a, target_b, target_a, everything, 0.1) + contrastive_loss(
        b, target_a, target_b, everything, 0.1
    )
    assert float(found) == pytest.approx(float(wanted), abs=1e-5)


def test_contrast_of_nothing_is_zero_and_has_a_gradient() -> None:
    predicted, other, same, _ = vectors(0)
    loss = contrastive_loss(predicted.requires_grad_(), other, same, torch.zeros(B, M, dtype=torch.bool), 0.1)
    loss.backward()
    assert float(loss) == 0
    assert predicted.grad is not None
    assert not predicted.grad.any()


def test_a_view_of_the_whole_frame_sees_its_masks_and_a_flip_mirrors_them() -> None:
    ids = torch.arange(16).view(1, 4, 4) % 3
    masks = torch.nn.functional.one_hot(ids, 3).permute(0, 3, 1, 2).float()
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    fine = masks_in_view(masks, whole, torch.tensor([False]), (64, 64))
    torch.testing.assert_close(fine.argmax(dim=1)[0, 8::16, 8::16], ids[0])
    torch.testing.assert_close(masks_in_view(masks, whole, torch.tensor([True]), (64, 64)), fine.flip(3))


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0.3, 0.6), st.booleans(), st.integers(0, 1000))
def test_views_see_what_lies_in_their_box(x: float, y: float, side: float, flip: bool, seed: int) -> None:
    """The reference is a mask whose soft values are linear in x and y: its values at the centers of the cells are
    known."""
    columns = (torch.arange(32) + 0.5) / 32
    masks = torch.stack([columns.expand(32, 32), columns[:, None].expand(32, 32)])[None]
    box = torch.tensor([[x + 0.02, y + 0.02, x + side - 0.02, y + side - 0.02]])
    cells = (torch.arange(5) + 0.5) / 5
    across, down = (box[0, 0] + cells * (box[0, 2] - box[0, 0])), (box[0, 1] + cells * (box[0, 3] - box[0, 1]))
    found = masks_in_view(masks, box, torch.tensor([flip]), (5, 5))[0]
    torch.testing.assert_close(found[0], (across.flip(0) if flip else across).expand(5, 5), atol=1e-3, rtol=0)
    torch.testing.assert_close(found[1], down[:, None].expand(5, 5), atol=1e-3, rtol=0)


def test_features_are_averaged_under_masks() -> None:
    generator = torch.Generator().manual_seed(0)
    fine, coarse = torch.randn(2, 3, 4, 4, generator=generator), torch.randn(2, 5, 2, 2, generator=generator)
    masks = torch.rand(2, 6, 4, 4, generator=generator)
    masks[:, 5] = 0
    found = pool_under_masks([fine, coarse], masks)
    assert found.shape == (2, 6, 8)
    for b in range(2):
        for m in range(5):
            weights = masks[b, m].numpy()
            wanted = (weights * fine[b].numpy()).sum(axis=(1, 2)) / weights.sum()
            np.testing.assert_allclose(found[b, m, :3], wanted, atol=1e-5)
            blocks = weights.reshape(2, 2, 2, 2).mean(axis=(1, 3))
            wanted = (blocks * coarse[b].numpy()).sum(axis=(1, 2)) / blocks.sum()
            np.testing.assert_allclose(found[b, m, 3:], wanted, atol=1e-5)
    assert not found[:, 5].any()


def test_two_frames_share_one_codebook() -> None:
    """Two things that swap places between the frames keep their masks."""
    things = torch.nn.functional.normalize(torch.randn(2, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    first = torch.tensor([[0, 0, 1], [0, 0, 1], [0, 0, 1]])
    cells = torch.stack([first, first.flip(1)])
    columns = things[cells].permute(0, 3, 1, 2)[None].repeat(2, 1, 1, 1, 1)
    columns += 0.01 * torch.randn(columns.shape, generator=torch.Generator().manual_seed(1))
    one, two = cluster_frames(columns, 2)
    torch.testing.assert_close(one, two.flip(3))
    assert one.sum(dim=1).eq(1).all()
    assert one.shape == (2, 2, 3, 3)
    torch.manual_seed(5)
    again = cluster_frames(columns, 3)
    torch.manual_seed(5)
    torch.testing.assert_close(cluster_frames(columns, 3), again)


@pytest.fixture(scope="module")
def method() -> odin.ODIN:
    torch.manual_seed(0)
    encoder = open_encoder(Spec("timm:resnet10t"), pretrained=False)
    said = odin.Options(
        masks="kmeans:3", match="projected", hidden=16, projection=8, momentum=0.9, discovery_momentum=0.5
    )
    return odin.ODIN(encoder, said, Settings(size=64, batch_size=4), 100).train()


def batch_of(method: odin.ODIN) -> Batch:
    generator = torch.Generator().manual_seed(0)
    views = [torch.rand(4, 3, 64, 64, generator=generator) for _ in range(2)]
    frames = [torch.rand(4, 3, method.whole_frame_size, method.whole_frame_size, generator=generator) for _ in range(2)]
    boxes = [torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(4, 1)] * 2
    return Batch(
        views, boxes, [torch.zeros(4, dtype=torch.bool)] * 2, [], frames, torch.zeros(4, 2, 2, dtype=torch.int64)
    )


def test_only_the_online_network_gets_gradients(method: odin.ODIN) -> None:
    loss = method.loss(batch_of(method))
    loss.backward()
    assert torch.isfinite(loss)
    assert loss > 0
    assert all(p.grad is None for p in [*method.target.parameters(), *method.discovery.parameters()])
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.student.parameters())


def test_target_and_discovery_network_have_their_own_momentum(method: odin.ODIN) -> None:
    name, old = next((n, p.clone()) for n, p in method.discovery.named_parameters() if p.ndim > 1)
    with torch.no_grad():
        dict(method.student.named_parameters())[name] += 1
    target = dict(method.target[0].named_parameters())[name]
    new, before = dict(method.student.named_parameters())[name], target.clone()
    method.update(0)
    torch.testing.assert_close(target, 0.9 * before + 0.1 * new)
    torch.testing.assert_close(dict(method.discovery.named_parameters())[name], 0.5 * old + 0.5 * new)


def test_more_masks_than_are_sampled(method: odin.ODIN) -> None:
    encoder = method.student
    said = odin.Options(masks="kmeans:6", match="projected", sampled=2, hidden=16, projection=8)
    few = odin.ODIN(encoder, said, Settings(size=64, batch_size=4, gap=(0, 0)), 100)
    found = few.matched_masks(batch_of(few), (4, 4))
    assert found.valid.shape == (4, 2)
    assert all(part.shape == (4, 2, 4, 4) for part in found.weights)


def test_with_deployed_features_the_energy_is_kept_and_the_head_is_for_regions() -> None:
    losses: dict[float, float] = {}
    masks = torch.zeros(4, 64, 64, dtype=torch.uint8)
    masks[:, 16:48, 16:48] = 1
    for weight in (1.0, 3.0):
        torch.manual_seed(0)
        encoder = open_encoder(Spec("timm:resnet10t"), pretrained=False)
        method = odin.ODIN(encoder, odin.Options(anchor=weight), Settings(size=64, batch_size=4), 100).eval()
        batch = batch_of(method)._replace(masks=[masks, masks])
        with torch.no_grad():
            torch.manual_seed(1)
            list(method.student.parameters())[-1].add_(1)
            losses[weight] = method.loss(batch).item()
            assert method.anchor is not None
            view = batch.views[0]
            held = method.anchor.energy_loss(method.student(view), method.anchor.start_features(view)).item()
    assert held > 0.01
    assert losses[3.0] - losses[1.0] == pytest.approx(2 * held, rel=1e-3)
    assert method.deployed_head() is not None
    assert method.head_output == "region_foreground"
    assert (method.averaging.share, method.measured_share) == (
        0.25,
        0,
    )  # best.pt has the objects of the start, unless masks say otherwise
