"""Frozen stages and their batch norms do not change, the others do, and something must be left to train."""

from __future__ import annotations

import pytest
import torch

from streamseg.backbones import Spec
from streamseg.errors import ModelError
from train.encoder import Encoder, open_encoder
from train.method import frozen_copy


def opened(name: str = "timm:resnet10t", layers: tuple[int, ...] = (4,)) -> Encoder:
    torch.manual_seed(0)
    return open_encoder(Spec(name, layers=layers), pretrained=False)


def step(encoder: Encoder) -> set[str]:
    """Return the names of the network's tensors, with running statistics, that one step of SGD changes."""
    before = {name: tensor.clone() for name, tensor in encoder.net.state_dict().items()}
    wanted = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    encoder(torch.rand(4, 3, 64, 64)).maps[-1].square().sum().backward()
    torch.optim.SGD(wanted, lr=0.1).step()
    return {name for name, tensor in encoder.net.state_dict().items() if not torch.equal(tensor, before[name])}


def test_frozen_stages_do_not_change() -> None:
    encoder = opened().train()
    encoder.freeze(2)
    assert encoder.training
    changed = step(encoder)
    assert not [name for name in changed if name.startswith(("conv1", "bn1", "layer1"))]
    for name in ("layer2.0.bn2.weight", "layer2.0.bn1.running_mean", "layer3.0.bn2.weight"):
        assert name in changed


def test_without_freezing_all_stages_change() -> None:
    assert {"conv1.0.weight", "bn1.running_mean", "layer1.0.bn2.weight"} <= step(opened().train())


def test_a_teachers_norms_are_frozen_where_the_students_are() -> None:
    encoder = opened().train()
    encoder.freeze(2)
    teacher = frozen_copy(encoder).train()
    assert not teacher.net.bn1.training
    assert teacher.net.layer2[0].bn1.training


def test_the_first_blocks_of_a_vit_are_frozen() -> None:
    encoder = opened("timm:vit_tiny_patch16_224", (12,)).train()
    encoder.freeze(3)
    assert {name.split(".")[1] for name in step(encoder) if name.startswith("blocks")} == set(map(str, range(2, 12)))


@pytest.mark.parametrize("stages", [4, 99])
def test_nothing_left_to_learn(stages: int) -> None:
    with pytest.raises(ModelError, match=r"nothing of .* is left to train"):
        opened().freeze(stages)
