"""Notes on a run, a line each. Some ask for something of the user ("to do: WHY: WHAT TO TYPE"); the others tell.

Notes scroll by, so a run's summary repeats what they ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TO_DO = "to do: "


def to_do(why: str, what: str) -> str:
    """A note that asks. why: what is wrong or not known; what: to type, e.g. "--depth-scale UNITS"."""
    return f"{TO_DO}{why}: {what}"


def line_of(note: str) -> str:
    """The note as logs and run.json take it."""
    return note if note.startswith(TO_DO) else f"note: {note}"


def asked(lines: Iterable[str]) -> list[str]:
    """What the lines ask for, each once, and first what can be typed as it is."""
    asking = dict.fromkeys(line.removeprefix(TO_DO) for line in lines if line.startswith(TO_DO))
    return sorted(asking, key=lambda line: not flag_of(line))


def flag_of(line: str) -> str:
    """What can be typed as it is of a line that asks: "--align-depth 0.90,-8,-4"; "" for "--depth-scale UNITS"."""
    what = line.rpartition(": ")[2]
    return what if re.fullmatch("--[^A-Z]+", what) else ""
