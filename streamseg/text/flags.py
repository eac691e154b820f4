"""The flag of each setting, and the masks that a setting is for. It imports nothing, because `--help` uses it."""

from __future__ import annotations

SETTINGS_OF_MASKS = {
    "regions": ("clustering", "k", "k_range", "pca", "position", "depth", "foreground", "edges"),
    "objects": ("quality", "min_score"),
}
"""Kind of masks -> the settings that change only masks of this kind, and have no effect on a run that finds none."""


def flag_of(name: str) -> str:
    """Return the flag of a setting: "--min-score" for "min_score"."""
    return "--" + name.replace("_", "-")
