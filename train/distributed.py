"""Devices, machines and data workers: translates flags into arguments of Lightning's Trainer."""

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
"""Names of Lightning's strategies for several devices."""


def trainer_devices(settings: Settings) -> dict[str, Any]:
    """Return the arguments accelerator, devices, num_nodes and strategy of `pl.Trainer`.

    Raises StreamsegError for values that are unknown, or for devices that this machine does not have.
    """
    match = re.fullmatch(r"(?:(auto|cpu|cuda)(?::(\d+))?|(\d+))", settings.devices)
    if not match:
        raise StreamsegError(
            f"--devices {settings.devices!r} is unknown", "use auto, cpu, cpu:2, cuda, cuda:2 or a number"
        )
    kind = match[1] or "auto"
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    available = torch.cuda.device_count()
    all_devices = available if kind == "cuda" and match[1] == "auto" else 1
    count = int(match[2] or match[3] or all_devices)
    if kind == "cuda" and not 1 <= count <= available:
        raise StreamsegError(
            f"{count} CUDA devices were asked for, {available} are here", "use --devices cpu, or fewer"
        )
    if count < 1:
        raise StreamsegError(
            f"--devices {settings.devices!r} is not a device", "give one at least, such as --devices cpu"
        )
    if settings.strategy != "auto" and settings.strategy not in STRATEGIES:
        raise StreamsegError(
            f"Lightning has no strategy {settings.strategy!r}", plugins.did_you_mean(settings.strategy, STRATEGIES)
        )
    nodes = settings.nodes or node_count()
    world = count * nodes
    if settings.batch_size % world:
        raise StreamsegError(
            f"a batch of {settings.batch_size} cannot be shared by {world} devices",
            f"use a multiple: --batch-size {-(-settings.batch_size // world) * world}",
        )
    strategy: Any = settings.strategy
    if strategy == "auto" and world > 1:
        # torchrun and srun start the processes and give them an address at which they connect
        launched = nodes > 1 or "TORCHELASTIC_RUN_ID" in os.environ or "RANK" in os.environ or by_srun()
        strategy = "ddp_find_unused_parameters_true" if launched else OneMachine()
    if by_srun() and world != int(os.environ["SLURM_NTASKS"]):
        raise StreamsegError(
            f"srun started {os.environ['SLURM_NTASKS']} processes for {world} devices on {nodes} machines",
            "start one process a device: srun --nodes N --ntasks-per-node DEVICES, and the same with --devices",
        )
    accelerator = "gpu" if kind == "cuda" else "cpu"
    return {"accelerator": accelerator, "devices": count, "num_nodes": nodes, "strategy": strategy}


def is_rank_zero() -> bool:
    """Return whether this process has global rank 0: it alone writes files and prints messages."""
    return all(os.environ.get(name, "0") == "0" for name in _ranks())


def is_local_rank_zero() -> bool:
    """Return whether this process is the first one of its machine."""
    return os.environ.get("SLURM_LOCALID" if by_srun() else "LOCAL_RANK", "0") == "0"


def _ranks() -> tuple[str, ...]:
    """Return the names of the environment variables that are all 0 in the process of global rank 0."""
    if "RANK" in os.environ:
        return ("RANK",)
    return ("SLURM_PROCID",) if by_srun() else ("NODE_RANK", "LOCAL_RANK")


def by_srun() -> bool:
    """Return whether srun started this process as one of several. An interactive shell does not count."""
    if "RANK" in os.environ or "SLURM_PROCID" not in os.environ:
        return False
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")  # the same rule as Lightning's
    return not interactive and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def node_count() -> int:
    """Return the number of machines by the environment variables of srun or torchrun, or 1 without them."""
    if by_srun():
        return int(os.environ.get("SLURM_NNODES", os.environ.get("SLURM_JOB_NUM_NODES", "1")))
    world, local = os.environ.get("WORLD_SIZE", ""), os.environ.get("LOCAL_WORLD_SIZE", "")
    if not (world.isdecimal() and local.isdecimal() and int(local)):
        return 1
    return max(1, int(world) // int(local))


def worker_count(wanted: int) -> int:
    """Return the number of processes that decode frames: `wanted`, or a number by the hardware if it is -1.

    On a CPU that number is 0, because the training uses all cores.
    """
    if wanted >= 0:
        return wanted
    return min(8, cores() - 1) if torch.cuda.is_available() else 0
