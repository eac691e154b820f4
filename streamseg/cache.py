"""Where streamseg keeps what it can make again: exported networks, compiled engines, unpacked archives."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

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


def trim(folder: Path, suffix: str, limit: int = LIMIT) -> None:
    """Delete the files of `folder` that end in `suffix`, longest unused first, until the rest have `limit` bytes.

    With NAME goes NAME.json, which describes it. What was used within the last hour stays. Nothing is raised: what
    cannot be deleted, or was by another process, is left alone.
    """
    files = []
    for path in folder.glob(f"[!.]*{suffix}"):
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
