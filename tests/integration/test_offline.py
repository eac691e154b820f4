"""No command opens a socket to another machine, or writes outside its output, the cache and the temporary folder.

Told by the system calls of the command and all that it starts (strace), so that libraries in C cannot hide.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed: apt-get install strace")
CALLS = (
    "connect,sendto,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,"
    "unlinkat"
)
SMALL = ("--size", "64", "--quiet")
FEW = (*SMALL, "--max-frames", "3")
TRAIN = ("--size", "64", "--steps", "1", "--batch-size", "2", "--layers", "3", "--devices", "cpu", "--quiet",
         "--probe-size", "64")  # fmt: skip
COMMANDS = {
    "run": ("run", "{sample}", "-o", "{out}", *FEW, "--save", "overlay,labels,npz,coco,jsonl"),
    "train": ("train", "byol", "--data", "{sample}", "-o", "{out}", *TRAIN),
    "export": ("export", "onnx", "efficientnet_lite0", "-o", "{out}/net.onnx", "--size", "64", "--quiet"),
    "onnxruntime": ("run", "{sample}", "-o", "{out}/masks", "--engine", "onnxruntime", *FEW),
    "eval": ("eval", "{sample}", *FEW, "--no-objects", "--html", "{out}/page.html"),
    "bench": ("bench", "{sample}", *SMALL, "--frames", "3", "--turns", "1", "--engine", "openvino"),
    "probe": ("probe", "efficientnet_lite0", "--data", "{sample}", *SMALL, "--frames", "2"),
    "doctor": ("doctor",),
    "info": ("info", "{net}"),
}


def remote(line: str) -> bool:
    """Whether the system call of this line talks to another machine."""
    address = re.search(r'(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"', line)
    return address is not None and not re.match(r"127\.|::1$|::ffff:127\.", address[1])


def written_to(line: str) -> str | None:
    """The path that a successful call of this line makes, changes or removes."""
    call = re.match(r"(?:\[pid +\d+\] |\d+ +)?(\w+)\((.*)\) += (-?\d+)", line)
    if not call or int(call[3]) < 0 or call[1] in ("connect", "sendto"):
        return None
    if call[1] in ("open", "openat") and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", call[2]):
        return None
    paths = re.findall(r'(?:\w+<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', call[2])
    return os.path.normpath(os.path.join(*paths[-1])) if paths else None


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_sent_and_nothing_is_written_elsewhere(
    name: str, sample: Path, exported: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    home, temporary, work, out = (tmp_path / part for part in ("home", "tmp", "work", "out"))
    for folder in (home, temporary, work, out):
        folder.mkdir()
    variables = environment | {"HOME": str(home), "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    for told in ("ORT_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
        variables.pop(told, None)
    given = [part.format(sample=sample, out=out, net=exported) for part in COMMANDS[name]]
    trace = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", f"trace={CALLS}"]
    command = [*trace, "-o", str(tmp_path / "calls"), sys.executable, "-m", "streamseg", *given]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=work, env=variables | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "calls").read_text(errors="replace").splitlines()
    assert len(lines) > 100
    assert [line for line in lines if remote(line)] == []
    allowed = (str(out), str(temporary), environment["STREAMSEG_CACHE"], "/dev/", "/proc/self/", "/sys/")
    paths = {path for path in map(written_to, lines) if path}
    assert [path for path in paths if not path.startswith(allowed) and "__pycache__" not in path] == []
    assert list(home.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_the_reading_of_calls() -> None:
    assert remote('12 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("1.2.3.4")}, 16) = 0')
    assert remote('connect(3, {sa_family=AF_INET6, inet_pton(AF_INET6, "2a00::1", &sin6_addr)}, 28) = -1 EINPROGRESS')
    assert not remote('connect(3, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16) = 0')
    assert not remote('connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = -1 ENOENT')
    assert written_to('12 openat(AT_FDCWD</w>, "/a/b", O_WRONLY|O_CREAT, 0666) = 3</a/b>') == "/a/b"
    assert written_to('12 unlinkat(4</tmp/x>, "b", 0) = 0') == "/tmp/x/b"
    assert written_to('12 openat(AT_FDCWD</w>, "/a/b", O_RDONLY) = 3</a/b>') is None
    assert written_to('12 rename("/a", "/b c") = 0') == "/b c"
    assert written_to('12 mkdir("/a", 0777) = -1 EEXIST (File exists)') is None
