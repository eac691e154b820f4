"""A share of the mutations of `tests/benchmarks/mutations.py`, the same at each run: broken sources and models end as
promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parents[1] / "benchmarks/mutations.py"


@pytest.mark.parametrize(("only", "count"), [("sources", 150), ("models", 5)])
def test_broken_inputs_end_as_promised(only: str, count: int) -> None:
    call = [sys.executable, str(DRIVER), "--seed", "1", "--count", str(count), "--only", only]
    done = subprocess.run(call, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])["outcomes"]
    assert sum(outcomes.values()) == count
    assert set(outcomes) <= {"ran", "refused"}
