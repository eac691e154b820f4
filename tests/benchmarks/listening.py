"""Which sockets of a process and its descendants listen beyond the loopback interface (Linux)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LISTEN = "0A"
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
"""127.0.0.1, the same in IPv6, and ::1, as /proc/net writes them."""


def beyond_loopback(root: int) -> tuple[int, list[str]]:
    """The number of listening sockets, and "pid address" of each that other machines could reach."""
    known = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN:
                known[f"socket:[{fields[9]}]"] = fields[1]
    found = {(pid, known[link]) for pid in family(root) for link in links(pid) if link in known}
    return len(found), [f"{pid} {address}" for pid, address in found if address.split(":")[0] not in LOOPBACK]


def family(root: int) -> set[int]:
    """`root` and all its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parents[int(path.name)] = int((path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    found, before = {root}, 0
    while len(found) > before:
        before = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def links(pid: int) -> list[str]:
    """The targets of a process's open file descriptors."""
    found = []
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.append(os.readlink(path))
    return found
