"""Devices, nodes and data workers: from the words of the command line to the arguments of Lightning's Trainer."""

from __future__ import annotations

import os
import re
from typing import Any

import torch

from streamseg.backbones.machine import cores
from streamseg.errors import StreamsegError
from train.one_machine import OneMachine
from train.settings import Settings


def trainer_devices(settings: Settings) -> dict[str, Any]:
    """accelerator, devices, num_nodes and strategy for pl.Trainer. Raises StreamsegError for what is not here."""
    match = re.fullmatch(r"(?:(auto|cpu|cuda)(?::(\d+))?|(\d+))", settings.devices)
    if not match:
        raise StreamsegError(
            f"--devices {settings.devices!r} is none", "use auto, cpu, cpu:2, cuda, cuda:2 or a number"
        )
    kind = match[1] or "auto"
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    there = torch.cuda.device_count()
    count = int(match[2] or match[3] or (there if kind == "cuda" and match[1] == "auto" else 1))
    if kind == "cuda" and not 1 <= count <= there:
        raise StreamsegError(f"{count} CUDA devices were asked for, {there} are here", "use --devices cpu, or fewer")
    if settings.batch_size % (count * settings.nodes):
        world = count * settings.nodes
        raise StreamsegError(
            f"a batch of {settings.batch_size} cannot be shared by {world} devices",
            f"use a multiple: --batch-size {-(-settings.batch_size // world) * world}",
        )
    strategy: Any = settings.strategy
    if strategy == "auto" and count * settings.nodes > 1:
        # torchrun's processes meet where it says
        others = settings.nodes > 1 or "TORCHELASTIC_RUN_ID" in os.environ or "RANK" in os.environ
        strategy = "ddp_find_unused_parameters_true" if others else OneMachine()
    accelerator = "gpu" if kind == "cuda" else "cpu"
    return {"accelerator": accelerator, "devices": count, "num_nodes": settings.nodes, "strategy": strategy}


def is_first() -> bool:
    """Whether this process is the one that writes and speaks; others are started by it, or by torchrun."""
    ranks = ("RANK",) if "RANK" in os.environ else ("NODE_RANK", "LOCAL_RANK")
    return all(os.environ.get(name, "0") == "0" for name in ranks)


def worker_count(wanted: int) -> int:
    """Processes for decoding: as asked; -1 = none where a GPU does not wait for them and cores are few."""
    if wanted >= 0:
        return wanted
    return min(8, cores() - 1) if torch.cuda.is_available() else 0
