"""How much memory a process holds, has held at most, and whether it grows; and how many files it has open."""

from __future__ import annotations

import os
import sys

import numpy as np


def resident() -> float:
    """MiB of memory that this process holds now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def open_files() -> int:
    """How many files, sockets and pipes this process has open; 0 where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # that of the list itself
    except OSError:
        return 0


def peak() -> float | None:
    """MiB that this process has held at most; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def memory_figures(samples: np.ndarray, every: int) -> dict[str, float] | None:
    """samples: MiB, one each `every` frames. slope: MiB in 1000 frames, over the second half; growth: the last tenth
    of the samples against the second tenth, as a share. None where the system tells no memory or the run is short."""
    if len(samples) < 20 or not samples.any():
        return None
    half, tenth = len(samples) // 2, len(samples) // 10
    slope = np.polyfit(np.arange(half, len(samples)) * every / 1000, samples[half:], 1)[0]
    early, late = np.median(samples[tenth : 2 * tenth]), np.median(samples[-tenth:])
    return {
        "early_mib": round(float(early), 1),
        "late_mib": round(float(late), 1),
        "growth": round(float(late / early - 1), 4),
        "slope_mib_per_1000": round(float(slope), 3),
    }
