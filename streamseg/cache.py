"""Where streamseg keeps what it can make again: exported networks, compiled engines, unpacked archives."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamseg.files import written
from streamseg.text import from_json

VARIABLE = "STREAMSEG_CACHE"
LIMIT = 1 << 30
"""Bytes that a subfolder may hold: some thirty small networks, each at one size."""
IN_USE = 3600.0
"""Seconds for which a file that was just used stays, whatever the limit: another process may be about to open it."""


def root() -> Path:
    """$STREAMSEG_CACHE, or the system's usual place; it need not exist yet."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("streamseg")


def remember(path: Path, content: Any) -> None:
    """Write `content`, of JSON's types, with its digest. Raises OSError."""
    data = json.dumps(content, sort_keys=True)
    with written(path, shared=True) as temporary:
        temporary.write_text(json.dumps({"sha256": _digest(data), "content": content}), encoding="utf-8")


def recall(path: Path) -> Any:
    """What was remembered, or None where there is nothing, or not as it was written: a disk may forget a bit."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = from_json(path.read_bytes())
        if said["sha256"] == _digest(json.dumps(said["content"], sort_keys=True)):
            return said["content"]
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def trim(folder: Path, suffix: str, limit: int = LIMIT) -> None:
    """Delete the files of `folder` that end in `suffix`, longest unused first, until the rest have `limit` bytes.

    With NAME goes NAME.json, which describes it. What was used within the last hour stays. Nothing is raised: what
    cannot be deleted, or was by another process, is left alone.
    """
    files = []
    for path in folder.rglob(f"[!.]*{suffix}"):
        with suppress(OSError):
            facts = path.stat()
            files.append((max(facts.st_atime, facts.st_mtime), facts.st_size, path))
    held = sum(size for _, size, _ in files)
    for used, size, path in sorted(files):
        if held <= limit or time.time() - used < IN_USE:
            return
        with suppress(OSError):
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
            held -= size
