"""Methods that use the whole batch: two processes have the same loss and state as one process with the whole batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
import torch

from streamseg import plugins
from streamseg.backbones import Spec
from streamseg.sources import open_source
from train.data.frame_cache import FrameCache
from train.data.samples import EndlessBatches, Samples, loader
from train.encoder import open_encoder
from train.method import Batch, Method
from train.settings import Settings
from train.sync_norm import synchronize

ROOT = Path(__file__).resolve().parents[3]
WORLD, BATCH, SIDE, RATE = 2, 4, 32, 0.01
METHODS = ("dino", "moco", "obow", "odin", "odin deployed", "selftrain", "simclr", "swav", "wmse")
UNLIKE = {"obow": ".words", "dino": "running_var"}
"""State that is the same on all devices, but not that of one process alone. Of words each device draws some by chance.
Before the first step devices draw the same batches, which the unbiased variance counts once for each of them."""
SMALL = {"hidden": 32, "queue": 24, "words": 48, "projection": 0, "prototypes": 16, "bottleneck": 16}
Found = tuple[float, dict[str, torch.Tensor]]


def made(name: str, seed: int = 1) -> Method:
    name, *deployed = name.split()
    module = plugins.load("train.methods", name)
    small = {f.name: SMALL[f.name] or f.default for f in dataclasses.fields(module.Options) if f.name in SMALL}
    if name == "odin":
        small |= {"masks": "kmeans:5", "match": "deployed" if deployed else "projected"}
    torch.manual_seed(seed)
    encoder = open_encoder(Spec("resnet18", layers=(2, 3)), pretrained=False)
    settings = Settings(size=SIDE, batch_size=BATCH, gap=(1, 4), preset="pretrain")
    method: Method = module.METHOD(encoder, module.Options(**small), settings, 10)
    return method


@cache
def decoded() -> tuple[Any, FrameCache]:
    """A recording, and a cache of its decoded pictures."""
    recording: Any = open_source(f"tum:{ROOT / 'samples' / 'tabletop'}")
    return recording, FrameCache("ram", len(recording), 2 * SIDE)


def drawn(method: Method, rank: int = 0, world: int = 1) -> Iterator[Batch]:
    """Return the share of the run's batches that a device gets."""
    recording, pictures = decoded()
    samples = Samples(
        [recording],
        method.views(),
        frames=method.frames_per_sample,
        gap=(1, 4),
        whole_frame_size=method.whole_frame_size,
        labelled=method.labelled,
        pictures=pictures,
        annotations=FrameCache("ram", len(recording), 2 * SIDE, 1) if method.labelled else None,
    )
    return iter(loader(samples, EndlessBatches(BATCH, 0, rank, world), 0))


def first_step(name: str, rank: int = 0, world: int = 1) -> Found:
    """Return the loss before the first step, averaged over devices, and the state after it."""
    method = made(name)
    method.log_figures = lambda **figures: None  # type: ignore[method-assign]
    if world > 1:
        synchronize(method)
    method.batches = lambda: cycle(islice(drawn(method), 2))
    method.eval()
    method.begin()
    method.train()
    optimizer = torch.optim.SGD([part for part in method.parameters() if part.requires_grad], RATE)
    torch.manual_seed(5)
    loss = method.loss(next(drawn(method, rank, world)))
    loss.backward()
    total = loss.detach()
    for tensor in [total, *(part.grad for part in method.parameters() if part.grad is not None)] if world > 1 else []:
        torch.distributed.all_reduce(tensor)
        tensor /= world
    optimizer.step()
    method.update(1)
    return float(total), method.state_dict()


def work(rank: int) -> dict[str, Found]:
    """Run one of two processes, in the group that the fixture `pair` has made."""
    return {name: first_step(name, rank, WORLD) for name in METHODS}


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_are_one_with_the_whole_batch(name: str, pair: list[dict[str, Any]]) -> None:
    (loss, first), (_, second) = (found["methods"][name] for found in pair)
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    alone, state = first_step(name)
    assert loss == pytest.approx(alone, abs=1e-5)
    unlike = UNLIKE.get(name, "nothing")
    for key, value in state.items():
        if not key.endswith(unlike):
            torch.testing.assert_close(first[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_a_loss_of_the_local_batch_alone_is_detected() -> None:
    """The comparison fails if a device computes the loss of its own share."""
    whole, half = (made("simclr").train() for _ in range(2))
    batches = next(drawn(whole)), next(drawn(half, 0, WORLD))
    one, other = (float(method.loss(batch).detach()) for method, batch in zip((whole, half), batches))
    assert abs(one - other) > 1e-3
