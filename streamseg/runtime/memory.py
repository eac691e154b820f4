"""Memory: its peak, what is free, reuse of what was freed, and no garbage collection while the program starts.

glibc returns the memory of large arrays to the system when they are freed, and the system then fills each new page with
zeros: copying a VGA image into new memory takes twenty times as long as into reused memory.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8  # malloc.h
_LARGEST = 32 << 20  # bytes: the largest value that glibc accepts for _MMAP_THRESHOLD


def retain_freed_memory() -> bool:
    """Let this process keep freed memory for its next allocations. Call this before threads are started.

    All threads share one arena, because the reader allocates what the writer frees. Returns whether it was done: it is
    possible with glibc only, and it is not done if a variable MALLOC_... is set in the environment.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {_ARENA_MAX: 1, _MMAP_THRESHOLD: _LARGEST, _TRIM_THRESHOLD: 1 << 30, _TOP_PAD: 2 * _LARGEST}
    return all([mallopt(parameter, value) == 1 for parameter, value in options.items()])  # a list: set every option


@contextmanager
def starting() -> Iterator[Callable[[], None]]:
    """Turn garbage collection off until the block ends or the yielded function is called.

    Collection would take a tenth of the time of a start, and finds nothing there. `gc.freeze` is no alternative:
    frozen objects are never destroyed, and libraries such as torch's compiler complain about this at exit.
    """
    was_enabled = gc.isenabled()
    gc.disable()

    def enable_again() -> None:
        if was_enabled:
            gc.enable()

    try:
        yield enable_again
    finally:
        enable_again()


def peak_mib() -> float | None:
    """Return the highest resident memory of this process in MiB; None if the system does not report it (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def free_bytes() -> int | None:
    """Return the memory that new processes can have, with what the system only uses as a cache, in bytes; None if the
    system does not report it."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = {line.partition(":")[0]: line.split()[1] for line in lines}
        return max(free, int(kilobytes.get("MemAvailable", "0")) << 10)
    except (OSError, ValueError, AttributeError, IndexError):
        return None
