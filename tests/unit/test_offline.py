"""Telemetry is off before it can start, whichever module of streamseg is imported first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamseg import offline

OFFLINE = "assert all(os.environ[name] == value for name, value in offline.VARIABLES.items())\n"
CHILD = "import os, sys\nfrom streamseg import offline\n" + OFFLINE + "assert sys.modules['openvino_telemetry'] is None"


def python(script: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter whose home folder is `home`, started without the variables."""
    kept = {name: value for name, value in os.environ.items() if name not in offline.VARIABLES}
    environment = kept | {"HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=environment, check=False
    )


@pytest.mark.parametrize("entry", ["streamseg", "streamseg.cli.main", "streamseg.backbones", "train.cli", "export.cli"])
def test_every_entry_point_turns_telemetry_off_for_child_processes_too(entry: str, tmp_path: Path) -> None:
    start = f"import os, subprocess, sys\nimport {entry}\nfrom streamseg import offline\n"
    inherited = "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    run = f"subprocess.run([sys.executable, '-c', \"import os; {inherited}\"], check=True)"
    done = python(start + OFFLINE + run, tmp_path)
    assert done.returncode == 0, done.stderr
    assert python(CHILD.replace("from streamseg", f"import {entry}\nfrom streamseg"), tmp_path).returncode == 0


def test_openvino_is_imported_without_an_event_or_a_file(tmp_path: Path) -> None:
    """In a process whose sockets end it: openvino would start a thread that sends, and write ~/intel."""
    script = (
        "import os, sys\n"
        "def guard(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):\n"
        "        os.write(2, f'{event} {args}'.encode()); os._exit(7)\n"
        "sys.addaudithook(guard)\n"
        "import streamseg, openvino\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "assert telemetry_utils.tm.__name__.endswith('telemetry_stub')\n"
    )
    done = python(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.setitem(sys.modules, "openvino_telemetry", sys)
    offline.disable_telemetry()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    assert sys.modules["openvino_telemetry"] is sys
