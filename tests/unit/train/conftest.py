"""What tests of training share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Nets on pictures of 64 pixels are slower with two threads than with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with twelve smooth random pictures, 96 x 128."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(12):
        small = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:03d}.png"), cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC))
    return folder
