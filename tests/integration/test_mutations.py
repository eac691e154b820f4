"""A share of the mutations of `tests/benchmarks/mutations.py`: broken sources end as promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

DRIVER = Path(__file__).parents[1] / "benchmarks/mutations.py"


def test_broken_sources_end_as_promised() -> None:
    call = [sys.executable, str(DRIVER), "--seed", "1", "--count", "50", "--only", "sources"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])["outcomes"]
    assert sum(outcomes.values()) == 50
    assert set(outcomes) == {"ran", "refused"}
