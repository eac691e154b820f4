"""A share of `tests/benchmarks/interruptions.py`, whose figures stand in docs/reliability.md."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.mark.parametrize("share", [("--signals", "15"), ("--kills", "4"), ("--disks", "8")])
def test_nothing_is_lost(share: tuple[str, str], environment: dict[str, str]) -> None:
    others = [part for name in ("--signals", "--kills", "--disks") if name != share[0] for part in (name, "0")]
    command = [sys.executable, ROOT / "tests/benchmarks/interruptions.py", *share, *others, "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broke a promise" in done.stdout
