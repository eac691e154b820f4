"""Distributed training on one machine without a server that other machines can reach.

By default the processes of torch find each other through a TCP server that listens on all network interfaces. Processes
of one machine can find each other through a file instead, and communicate over the loopback interface.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from pathlib import Path

import torch
from pytorch_lightning.strategies import DDPStrategy

RENDEZVOUS = "STREAMSEG_MEETING"
"""Environment variable with the path of that file, which the started processes inherit."""


class OneMachine(DDPStrategy):
    """DDP without a server. Unused parameters are accepted: some methods use a part of their networks in a step."""

    def __init__(self) -> None:
        super().__init__(find_unused_parameters=True)
        if RENDEZVOUS not in os.environ:
            folder = tempfile.mkdtemp(prefix="streamseg-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            os.environ[RENDEZVOUS] = str(Path(folder) / "meeting")

    def setup_distributed(self) -> None:
        """Connect the processes. Lightning's own implementation then finds them connected."""
        self.set_world_ranks()
        environment = self.cluster_environment
        assert environment is not None
        if not torch.distributed.is_initialized():
            loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
            os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
            torch.distributed.init_process_group(
                self._get_process_group_backend(),
                init_method=f"file://{os.environ[RENDEZVOUS]}",
                rank=environment.global_rank(),
                world_size=environment.world_size(),
                timeout=self._timeout or torch.distributed.constants.default_pg_timeout,
            )
        super().setup_distributed()
