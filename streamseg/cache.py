"""Where streamseg keeps what it can make again: exported networks, compiled engines, unpacked archives."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "STREAMSEG_CACHE"


def root() -> Path:
    """$STREAMSEG_CACHE, or the system's usual place; it need not exist yet."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("streamseg")
