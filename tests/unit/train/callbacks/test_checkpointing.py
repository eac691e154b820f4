"""The state dict is the whole state of a method: a method with another seed gives the same next loss after loading
it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
import torch

from streamseg import plugins
from streamseg.backbones import Spec
from streamseg.errors import StreamsegError
from streamseg.sources import open_source
from train import methods
from train.data.frame_cache import FrameCache
from train.data.samples import EndlessBatches, Samples, loader
from train.encoder import open_encoder
from train.method import Method
from train.settings import Settings

TABLETOP = Path(__file__).resolve().parents[4] / "samples" / "tabletop"
STEPS, BATCH, SIDE = 3, 4, 32
SMALL = {"hidden": 64, "queue": 24, "words": 16}
"""Options that cost time, of the methods that have them."""


def method_around(name: str, seed: int, weights: Path) -> Method:
    """Return the method with a random CNN, or a ViT if it refuses a CNN.

    seed: of the random weights. weights: those of a teacher.
    """
    module = plugins.load("train.methods", name)
    said = {**SMALL, "teacher": "resnet18", "teacher_weights": str(weights)}
    small = {field.name: said[field.name] for field in dataclasses.fields(module.Options) if field.name in said}
    for backbone, layers in (("resnet18", (2, 3)), ("timm:vit_tiny_patch16_224", (2,))):
        settings = Settings(backbone=backbone, init="none", size=SIDE, batch_size=BATCH, steps=STEPS, gap=(0, 4))
        torch.manual_seed(seed)
        encoder = open_encoder(Spec(backbone, layers=layers), pretrained=False)
        try:
            return module.METHOD(encoder, module.Options(**small), settings, STEPS)
        except StreamsegError:
            continue
    raise AssertionError(f"{name} takes neither a CNN nor a ViT")


@pytest.fixture(scope="module")
def recording() -> Iterator:
    with open_source(f"tum:{TABLETOP}") as source:
        yield source


@pytest.fixture(scope="module")
def caches(recording) -> tuple[FrameCache, FrameCache]:
    """Caches of decoded frames, which all methods share."""
    return tuple(FrameCache("ram", len(recording), 2 * SIDE, channels) for channels in (3, 1))


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """The weights of a frozen teacher."""
    torch.manual_seed(7)
    file = tmp_path_factory.mktemp("teacher") / "resnet18.pth"
    torch.save(open_encoder(Spec("resnet18"), pretrained=False).net.state_dict(), file)
    return file


def step(method: Method, optimizer: torch.optim.Optimizer, batch, number: int) -> float:
    """Run one step as Lightning does, seeded by its number, and return the loss."""
    method.on_train_batch_start(batch, number)
    loss = method.loss(batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    method.update(number + 1)
    return float(loss.detach())


@pytest.mark.parametrize("name", plugins.describe(methods.__file__))
def test_a_method_continues_from_its_state(name: str, recording, caches, weights: Path) -> None:
    first = method_around(name, 1, weights)
    samples = Samples(
        [recording],
        first.views(),
        frames=first.frames_per_sample,
        gap=(0, 4),
        whole_frame_size=first.whole_frame_size,
        labelled=first.labelled,
        pictures=caches[0],
        annotations=caches[1] if first.labelled else None,
    )
    draws = iter(loader(samples, EndlessBatches(BATCH), 0))
    batches = [next(draws) for _ in range(STEPS)]
    first.batches = lambda: cycle(batches)
    torch.manual_seed(0)
    first.eval()
    first.begin()
    first.train()
    optimizer = torch.optim.SGD([part for part in first.parameters() if part.requires_grad], 0.01, momentum=0.9)
    for number in range(STEPS - 1):
        step(first, optimizer, batches[number], number)

    second = method_around(name, 2, weights).train()
    other = torch.optim.SGD([part for part in second.parameters() if part.requires_grad], 0.01, momentum=0.9)
    second.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # else both would write to the same momentum

    assert step(second, other, batches[-1], STEPS - 1) == step(first, optimizer, batches[-1], STEPS - 1)
    states = first.state_dict(), second.state_dict()
    assert [key for key in states[0] if not torch.equal(states[0][key], states[1][key])] == []
