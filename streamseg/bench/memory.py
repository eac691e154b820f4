"""Memory of this process, now, and its growth; and the number of its open files."""

from __future__ import annotations

import os

import numpy as np


def resident_mib() -> float:
    """Return the resident memory of this process in MiB; 0 if the system does not report it."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def open_files() -> int:
    """Return the number of open files, sockets and pipes of this process; 0 if the system does not report it."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # without the one that lists them
    except OSError:
        return 0


def memory_figures(samples: np.ndarray, every: int) -> dict[str, float] | None:
    """Summarize `samples` of the memory [MiB], one every `every` frames; None if there are fewer than 20, or all are 0.

    early_mib, late_mib: medians of the second and of the last tenth. growth: late / early - 1. slope_mib_per_1000:
    slope of a line through the second half, MiB per 1000 frames.
    """
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
