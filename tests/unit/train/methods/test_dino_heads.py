"""DINO heads: the report's formula against NumPy, its trivial minimum, the attention, and what is trained."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch

from streamseg.backbones import Recipe, Spec
from streamseg.backbones.networks.network import ViT
from streamseg.errors import ModelError
from streamseg.frame import VOID
from train.encoder import Encoder, open_encoder
from train.method import Batch
from train.methods.dino_heads import DinoHeads, Options, patches, separation
from train.settings import Settings


def encoder() -> Encoder:
    """A ViT of three blocks, 64 channels, four heads, with random weights."""
    torch.manual_seed(0)
    net = timm.create_model(
        "vit_tiny_patch16_224", depth=3, embed_dim=64, num_heads=4, img_size=64, num_classes=0, dynamic_img_size=True
    )
    return Encoder(net, Recipe("small", "vit_tiny_patch16_224", "vit", indices=(2,), strides=(16,), layers=(3,)))


def batch() -> Batch:
    torch.manual_seed(1)
    masks = torch.zeros(4, 64, 64, dtype=torch.uint8)
    masks[:, 10:50, 20:] = 1
    return Batch([torch.rand(4, 3, 64, 64)], [], [], [masks], [], torch.zeros(4, 1, 2, dtype=torch.int64))


def method(**options: object) -> DinoHeads:
    return DinoHeads(encoder(), Options(**options), Settings(size=64), 100)  # type: ignore[arg-type]


def test_the_loss_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    head1, head2 = rng.normal(size=(2, 3, 5, 6))
    mask = (rng.random((3, 5, 6)) < 0.4).astype(float)
    expected = sum(np.linalg.norm(m * a - (1 - m) * b, "fro") ** 2 for m, a, b in zip(mask, head1, head2)) / mask.size
    found = separation(*map(torch.from_numpy, (head1, head2, mask, np.ones_like(mask))))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_pair_that_adds_up_to_1_makes_it_the_score_of_brier() -> None:
    mask = (torch.rand(3, 5, 6, generator=torch.manual_seed(0)) < 0.4).float()
    guess = torch.rand(3, 5, 6)
    brier = (guess - mask).square().mean()
    torch.testing.assert_close(separation(1 - guess, guess, mask, torch.ones_like(mask)), brier)


def test_the_attention_is_that_of_the_deployed_network() -> None:
    mine = encoder().eval()
    with torch.no_grad():
        attention, token = mine.attention(torch.rand(2, 3, 64, 64, generator=torch.manual_seed(3)))
        expected = ViT(mine.net, mine.recipe).eval()(torch.rand(2, 3, 64, 64, generator=torch.manual_seed(3)))[1]
    torch.testing.assert_close(attention, expected)
    assert attention.shape == (2, 4, 4, 4)
    assert token.shape == (2, 64)


@pytest.mark.parametrize(("scale", "axes"), [("pair", 0), ("places", (2, 3))])
def test_heads_are_normalized_as_asked(scale: str, axes: object) -> None:
    outputs = torch.stack(method(scale=scale).outputs(torch.rand(2, 4, 5, 5) / 25))
    total = outputs.sum(dim=axes) if scale == "pair" else outputs.mean(dim=axes)  # type: ignore[arg-type]
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize(("scale", "vanish"), [("none", True), ("pair", False), ("places", False)])
def test_without_normalization_the_heads_vanish(scale: str, vanish: bool) -> None:
    trained = method(scale=scale, frozen=True)
    trained.eval()
    optimizer = torch.optim.Adam(trained.heads.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        loss = trained.loss(batch())
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        sizes = [float(head.abs().mean()) for head in trained.outputs(trained.student.attention(batch().views[0])[0])]
    assert (max(sizes) < 0.2) == vanish


def test_patches_go_by_the_majority_of_known_pixels() -> None:
    masks = torch.zeros(1, 4, 8, dtype=torch.uint8)
    masks[0, :3, :4] = 7  # three quarters object
    masks[0, :, 4:] = VOID
    masks[0, 0, 4] = 1  # one known pixel, object
    mask, known = patches(masks, (1, 2))
    assert mask.tolist() == [[[1, 1]]]
    assert known.tolist() == [[[1, 1]]]
    mask, known = patches(torch.full((1, 4, 8), VOID, dtype=torch.uint8), (1, 2))
    assert known.sum() == 0
    assert float(separation(mask + 1, mask + 1, mask, known)) == 0


@pytest.mark.parametrize("frozen", [False, True])
def test_what_is_trained_gets_a_gradient_and_nothing_else_wants_one(frozen: bool) -> None:
    trained = method(frozen=frozen, head="conv")
    trained.loss(batch()).backward()
    wanted = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    given = {name for name, parameter in trained.named_parameters() if parameter.grad is not None}
    assert wanted == given
    assert any(name.startswith("student.net.blocks.2.attn.qkv") for name in wanted) != frozen
    assert any(name.startswith("heads") for name in wanted)
    assert not any(name.startswith("student.net.blocks.2.mlp") for name in wanted)


def test_a_cnn_is_refused_with_a_hint() -> None:
    cnn = open_encoder(Spec("efficientnet_lite0"), pretrained=False)
    with pytest.raises(ModelError, match="CNN") as caught:
        DinoHeads(cnn, Options(), Settings(size=64), 10)
    assert "dino_vits16" in caught.value.hint
    with pytest.raises(ModelError, match="no attention of a CLS token"):
        cnn.attention(torch.zeros(1, 3, 64, 64))
