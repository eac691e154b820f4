"""Fixtures that tests of training share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).resolve().parents[3]
ONE_OF_TWO = """
import sys
rank, folder = int(sys.argv[1]), sys.argv[2]
sys.path[:0] = sys.argv[3:]
import torch
import test_distributed, test_sync_norm
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
torch.save({"methods": test_distributed.work(rank), "norms": test_sync_norm.work(rank)}, f"{folder}/{rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: networks on pictures of 64 pixels are slower with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with twelve smooth random pictures of 96 x 128 pixels."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(12):
        small = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:03d}.png"), cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The results of two processes, for all tests that need two, because starting them takes longest."""
    folder = tmp_path_factory.mktemp("pair")
    command = [sys.executable, "-W", "ignore", "-c", ONE_OF_TWO]
    paths = [str(folder), str(ROOT), str(Path(__file__).parent)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen([*command, str(rank), *paths], env=environment) for rank in range(2)]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


class HostReads(TorchDispatchMode):
    """Counts the values that Python reads from tensors, for which a CPU waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))
