"""`python -m streamseg` in a folder whose files have the names of our packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["train", "export", "run"])
def test_files_in_the_working_folder_do_not_hide_our_packages(tmp_path: Path, command: str) -> None:
    for name in ("train", "export", "click", "rich"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')", encoding="utf-8")
    call = [sys.executable, "-m", "streamseg", command, "--help"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"Usage: streamseg {command}" in done.stdout
