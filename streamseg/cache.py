"""The cache folder, for files that streamseg can make again: exported networks, compiled engines, unpacked archives."""

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
"""Largest size of a subfolder in bytes: enough for about thirty small networks, each at one input size."""
IN_USE = 3600.0
"""Seconds since its last use within which a file is not deleted: another process may be about to open it."""


def root() -> Path:
    """Return the cache folder: $STREAMSEG_CACHE, or the system's usual place. It need not exist yet."""
    if folder := os.environ.get(VARIABLE):
        return Path(folder)
    import platformdirs

    return platformdirs.user_cache_path("streamseg")


def remember(path: Path, content: Any) -> None:
    """Write `content`, which has JSON's types only, with its SHA-256. Raises OSError."""
    data = json.dumps(content, sort_keys=True)
    with written(path, shared=True) as temporary:
        temporary.write_text(json.dumps({"sha256": _digest(data), "content": content}), encoding="utf-8")


def recall(path: Path) -> Any:
    """Return the content that `remember` wrote, or None if the file is absent or damaged (its SHA-256 differs)."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = from_json(path.read_bytes())
        if stored["sha256"] == _digest(json.dumps(stored["content"], sort_keys=True)):
            return stored["content"]
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def trim(folder: Path, suffix: str, limit: int = LIMIT) -> None:
    """Delete files below `folder` that end in `suffix`, least recently used first, until the rest have `limit` bytes.

    The description of a file, NAME.json beside NAME`suffix`, is deleted with it. Files that were used within IN_USE
    seconds stay. A file that cannot be deleted is skipped; no error is raised.
    """
    files = []
    for path in folder.rglob(f"[!.]*{suffix}"):
        with suppress(OSError):
            status = path.stat()
            files.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    total = sum(size for _, size, _ in files)
    for last_used, size, path in sorted(files):
        if total <= limit or time.time() - last_used < IN_USE:
            return
        with suppress(OSError):
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
            total -= size
