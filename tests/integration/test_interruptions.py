"""A share of `tests/benchmarks/interruptions.py`, whose figures stand in docs/reliability.md."""

from __future__ import annotations

import subprocess
import sys

from .conftest import ROOT

SHARE = ("--signals", "15", "--kills", "4", "--disks", "8")


def test_nothing_is_lost(environment: dict[str, str]) -> None:
    command = [sys.executable, ROOT / "tests/benchmarks/interruptions.py", *SHARE, "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "35 trials, 0 broke a promise" in done.stdout
