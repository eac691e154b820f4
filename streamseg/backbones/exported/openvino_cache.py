"""OpenVINO's compiled networks in the user's cache folder, each beside a JSON with its SHA-256.

OpenVINO itself has such a cache. It reads the network that was compiled first, which takes as long as loading what was
made of it. And it does not look whether a file is as it wrote it: a bit that a disk forgot would change masks.
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
    """What `make` compiles, or what `load` makes of the bytes that `save` gave for it in an earlier run.

    key: differs whenever the compiled network may. load: raises RuntimeError for bytes that are no good. Raises what
    `make` raises.
    """
    path = cached.folder("openvino") / f"{_digest(key.encode())[:16]}{SUFFIX}"
    with suppress(OSError, RuntimeError):
        content = path.read_bytes()
        if recall(path.with_suffix(".json")) == {"blob_sha256": _digest(content)}:
            network = load(content)
            path.touch()  # the longest unused goes first
            return network
    network = make()
    with suppress(OSError, RuntimeError, ModelError):  # then it is made again the next time
        content = save(network)
        with cached.written(path) as temporary:
            temporary.write_bytes(content)
        remember(path.with_suffix(".json"), {"blob_sha256": _digest(content)})
        trim(path.parent, SUFFIX)
    return network


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
