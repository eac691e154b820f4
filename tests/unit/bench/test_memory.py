"""Memory and open files of this process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamseg.bench import memory


def test_growing_and_steady_memory() -> None:
    steady = memory.memory_figures(np.r_[np.linspace(100, 300, 20), np.full(380, 300.0)], every=10)
    growing = memory.memory_figures(300 + 0.05 * np.arange(400), every=10)  # MiB: 5 in 1000 frames
    assert steady is not None
    assert growing is not None
    assert steady["slope_mib_per_1000"] == pytest.approx(0, abs=1e-6)
    assert steady["growth"] == 0
    assert growing["slope_mib_per_1000"] == pytest.approx(5, abs=1e-3)
    assert growing["growth"] == pytest.approx(16.75 / 303, abs=0.003)
    assert memory.memory_figures(np.full(10, 300.0), every=10) is None


def test_an_open_file_is_counted(tmp_path: Path) -> None:
    before = memory.open_files()
    with open(tmp_path / "file", "wb"):
        inside = memory.open_files()
    assert (inside, memory.open_files()) == (before + (before > 0), before)


def test_bench_is_importable_where_python_has_no_module_resource() -> None:
    """As on Windows."""
    code = (
        "import sys; sys.modules['resource'] = None\n"
        "from streamseg.bench import runner, turn\n"
        "assert turn.peak_mib() is None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
