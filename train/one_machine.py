"""Processes of one machine that train together, and listen to nobody else.

torch's own meeting place is a TCP server on all interfaces. Processes of one machine can meet in a file, and talk over
the loopback interface.
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

MEETING = "STREAMSEG_MEETING"
"""Environment variable with the file; the first process chooses it, those that it starts inherit it."""


class OneMachine(DDPStrategy):
    """DDP without a server. Some methods use only a part of their nets in a step: unused parameters are looked for."""

    def __init__(self) -> None:
        super().__init__(find_unused_parameters=True)
        if MEETING not in os.environ:
            folder = tempfile.mkdtemp(prefix="streamseg-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            os.environ[MEETING] = str(Path(folder) / "meeting")

    def setup_distributed(self) -> None:
        """See Lightning, which finds the processes connected already."""
        self.set_world_ranks()
        environment = self.cluster_environment
        assert environment is not None
        if not torch.distributed.is_initialized():
            loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
            os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
            torch.distributed.init_process_group(
                self._get_process_group_backend(),
                init_method=f"file://{os.environ[MEETING]}",
                rank=environment.global_rank(),
                world_size=environment.world_size(),
                timeout=self._timeout or torch.distributed.constants.default_pg_timeout,
            )
        super().setup_distributed()
