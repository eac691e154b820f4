"""Notes on a run, one line each. A note may ask the user for something: "to do: WHY: WHAT TO TYPE".

Because notes scroll by, the summary of a run repeats those that ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TO_DO = "to do: "


def to_do(why: str, what: str) -> str:
    """Return a note that asks the user. why: what is wrong or unknown. what: what to type, e.g. "--depth-scale
    UNITS"."""
    return f"{TO_DO}{why}: {what}"


def log_line(note: str) -> str:
    """Return the line of a note in the log and in run.json: with "note: ", unless it is a "to do: "."""
    return note if note.startswith(TO_DO) else f"note: {note}"


def requests_in(lines: Iterable[str]) -> list[str]:
    """Return what the "to do" lines ask for, each once, first those with a flag that can be typed as it is."""
    requests = dict.fromkeys(line.removeprefix(TO_DO) for line in lines if line.startswith(TO_DO))
    return sorted(requests, key=lambda request: not ready_flag(request))


def ready_flag(request: str) -> str:
    """Return the flag that `request` ends with, if it can be typed as it is: "--align-depth 0.90,-8,-4". Return "" for
    "--depth-scale UNITS", whose value the user has to fill in."""
    what = request.rpartition(": ")[2]
    return what if re.fullmatch("--[^A-Z]+", what) else ""
