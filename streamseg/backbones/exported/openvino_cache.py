"""Caches OpenVINO's compiled networks in the user's cache folder, each beside a JSON file with its SHA-256.

OpenVINO's own cache reads the original network, too, which takes as long as loading the compiled one. And it does not
check its files, so a wrong bit on the disk would change masks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from streamseg.backbones.exported import cached
from streamseg.cache import recall, remember, trim
from streamseg.errors import ModelError

SUFFIX = ".blob"
Network = TypeVar("Network")


def compiled(
    key: str, load: Callable[[bytes], Network], make: Callable[[], Network], save: Callable[[Network], bytes]
) -> Network:
    """Return a compiled network from the cache, or compile it and write it to the cache.

    key: identifies the compiled network. load: makes the network from the bytes in the cache; it raises RuntimeError if
    that is not possible. make: compiles the network; its errors are raised. save: makes the bytes for the cache.
    """
    path = cached.folder("openvino") / f"{_digest(key.encode())[:16]}{SUFFIX}"
    with suppress(OSError, RuntimeError):
        content = path.read_bytes()
        if recall(path.with_suffix(".json")) == {"blob_sha256": _digest(content)}:
            network = load(content)
            path.touch()  # the longest unused file is deleted first
            return network
    network = make()
    with suppress(OSError, RuntimeError, ModelError):  # without the cache, the next run compiles it again
        content = save(network)
        with cached.written(path) as temporary:
            temporary.write_bytes(content)
        remember(path.with_suffix(".json"), {"blob_sha256": _digest(content)})
        trim(path.parent, SUFFIX)
    return network


def _digest(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
