"""OpenVINO's compiled networks in the user's cache folder, each beside a JSON with its SHA-256.

OpenVINO itself does not look whether a file is as it wrote it: a bit that a disk forgot would change masks in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from streamseg.backbones.exported import cached
from streamseg.cache import recall, remember, trim
from streamseg.errors import ModelError

SUFFIX = ".blob"
Network = TypeVar("Network")


def compiled(key: str, compile_in: Callable[[Path | None], Network]) -> Network:
    """What `compile_in` makes with a cache folder of its own, or without one where that cannot be used.

    key: differs whenever the compiled network may. compile_in: raises RuntimeError where a cached file is no good.
    """
    whole = cached.folder("openvino")
    folder = whole / hashlib.sha256(key.encode()).hexdigest()[:16]
    try:
        folder.mkdir(exist_ok=True)
        for path in folder.glob(f"*{SUFFIX}"):
            if recall(path.with_suffix(".json")) != {"blob_sha256": cached.sha256(path)}:
                path.unlink()
                path.with_suffix(".json").unlink(missing_ok=True)
        network = compile_in(folder)
        for path in folder.glob(f"*{SUFFIX}"):
            if not path.with_suffix(".json").exists():
                remember(path.with_suffix(".json"), {"blob_sha256": cached.sha256(path)})
        trim(whole, SUFFIX)
        return network
    except (OSError, RuntimeError, ValueError, ModelError):
        with suppress(OSError):
            for path in folder.glob("*"):
                path.unlink()
        return compile_in(None)
