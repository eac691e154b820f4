"""Memory: garbage is not looked for while a program starts, and the images of one frame use the memory of the last one.

By itself glibc gives arrays of this size back to the system when they are freed, and the system hands out the next ones
page by page, filled with zeros: copying a VGA image into fresh memory takes twenty times as long as into used memory.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8  # malloc.h
_LARGEST = 32 << 20  # bytes: what glibc takes at most for _MMAP_THRESHOLD


def retain_freed_memory() -> bool:
    """Let this process keep what it frees, for its next allocations; best before it starts threads.

    One arena for all threads, because the reader allocates what the writer frees. Returns whether that was done: it is
    for glibc only, and whoever sets one of its MALLOC_... variables is left alone.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wishes = {_ARENA_MAX: 1, _MMAP_THRESHOLD: _LARGEST, _TRIM_THRESHOLD: 1 << 30, _TOP_PAD: 2 * _LARGEST}
    return all([mallopt(parameter, value) == 1 for parameter, value in wishes.items()])


@contextmanager
def starting() -> Iterator[Callable[[], None]]:
    """Inside, until what this gives is called, Python does not look for garbage. It would take a tenth of a start, and
    nothing of what a start loads is any. It is looked through later: what is frozen (`gc.freeze`) is never taken down,
    of which libraries like torch's compiler complain at the exit.
    """
    looks = gc.isenabled()
    gc.disable()

    def started() -> None:
        if looks:
            gc.enable()

    try:
        yield started
    finally:
        started()
