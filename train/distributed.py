"""Devices, nodes and data workers: from the words of the command line to the arguments of Lightning's Trainer."""

from __future__ import annotations

import os
import re
from typing import Any

import torch
from pytorch_lightning.strategies import StrategyRegistry

from streamseg import plugins
from streamseg.backbones.machine import cores
from streamseg.errors import StreamsegError
from train.one_machine import OneMachine
from train.settings import Settings

STRATEGIES = StrategyRegistry.available_strategies()
"""Of Lightning, by name."""


def trainer_devices(settings: Settings) -> dict[str, Any]:
    """accelerator, devices, num_nodes and strategy for pl.Trainer. Raises StreamsegError for what is not here."""
    match = re.fullmatch(r"(?:(auto|cpu|cuda)(?::(\d+))?|(\d+))", settings.devices)
    if not match:
        raise StreamsegError(
            f"--devices {settings.devices!r} is unknown", "use auto, cpu, cpu:2, cuda, cuda:2 or a number"
        )
    kind = match[1] or "auto"
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    there = torch.cuda.device_count()
    count = int(match[2] or match[3] or (there if kind == "cuda" and match[1] == "auto" else 1))
    if kind == "cuda" and not 1 <= count <= there:
        raise StreamsegError(f"{count} CUDA devices were asked for, {there} are here", "use --devices cpu, or fewer")
    if count < 1:
        raise StreamsegError(
            f"--devices {settings.devices!r} is not a device", "give one at least, such as --devices cpu"
        )
    if settings.strategy != "auto" and settings.strategy not in STRATEGIES:
        raise StreamsegError(
            f"Lightning has no strategy {settings.strategy!r}", plugins.did_you_mean(settings.strategy, STRATEGIES)
        )
    nodes = settings.nodes or machines()
    world = count * nodes
    if settings.batch_size % world:
        raise StreamsegError(
            f"a batch of {settings.batch_size} cannot be shared by {world} devices",
            f"use a multiple: --batch-size {-(-settings.batch_size // world) * world}",
        )
    strategy: Any = settings.strategy
    if strategy == "auto" and world > 1:
        # processes of torchrun and of srun meet where these say
        others = nodes > 1 or "TORCHELASTIC_RUN_ID" in os.environ or "RANK" in os.environ or by_srun()
        strategy = "ddp_find_unused_parameters_true" if others else OneMachine()
    if by_srun() and world != int(os.environ["SLURM_NTASKS"]):
        raise StreamsegError(
            f"srun started {os.environ['SLURM_NTASKS']} processes for {world} devices on {nodes} machines",
            "start one process a device: srun --nodes N --ntasks-per-node DEVICES, and the same with --devices",
        )
    accelerator = "gpu" if kind == "cuda" else "cpu"
    return {"accelerator": accelerator, "devices": count, "num_nodes": nodes, "strategy": strategy}


def is_first() -> bool:
    """Whether this process is the one that writes and speaks; others are started by it, by torchrun or by srun."""
    return all(os.environ.get(name, "0") == "0" for name in _ranks())


def is_first_here() -> bool:
    """Whether this process is the first one of its machine."""
    return os.environ.get("SLURM_LOCALID" if by_srun() else "LOCAL_RANK", "0") == "0"


def _ranks() -> tuple[str, ...]:
    """Environment variables that are all 0 in the first process."""
    if "RANK" in os.environ:
        return ("RANK",)
    return ("SLURM_PROCID",) if by_srun() else ("NODE_RANK", "LOCAL_RANK")


def by_srun() -> bool:
    """Whether srun started this process as one of several; a shell inside an allocation is none."""
    if "RANK" in os.environ or "SLURM_PROCID" not in os.environ:
        return False
    alone = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")  # as Lightning has it
    return not alone and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def machines() -> int:
    """As many as srun, or torchrun, says; else one."""
    if by_srun():
        return int(os.environ.get("SLURM_NNODES", os.environ.get("SLURM_JOB_NUM_NODES", "1")))
    world, here = os.environ.get("WORLD_SIZE", ""), os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, int(world) // int(here)) if world.isdecimal() and here.isdecimal() and int(here) else 1


def worker_count(wanted: int) -> int:
    """Processes for decoding: as asked; -1 = none where a GPU does not wait for them and cores are few."""
    if wanted >= 0:
        return wanted
    return min(8, cores() - 1) if torch.cuda.is_available() else 0
