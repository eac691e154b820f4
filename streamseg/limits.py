"""The values that a setting may have, in Python as on the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from streamseg import plugins
from streamseg.errors import StreamsegError

CHOICES = {
    "clustering": ("online", "per-frame"),
    "labels_on": ("auto", "host", "device"),
    "policy": ("latest", "all"),
    "quality": ("live", "high"),
    "scene_cuts": ("restart", "ignore"),
}
WHOLE = {
    "k": (0, 254),
    "keyframes": (0, 1000),
    "pca": (0, math.inf),
    "seed": (0, 2**31 - 1),
    "every": (1, math.inf),
    "max_frames": (1, math.inf),
    "batch": (1, 256),
    "seeds": (1, math.inf),
}
REAL = {
    "min_score": (0, 1),
    "alpha": (0, 1),
    "position": (0, math.inf),
    "depth": (0, math.inf),
    "foreground": (0, math.inf),
    "max_latency": (1, math.inf),
}
"""Lowest and highest value of WHOLE and REAL, both included. An upper limit of infinity means any finite number."""
SWITCHES = "objects", "regions", "edges"  # "no" would count as true
SIDES, REGIONS = (16, 8192), (1, 64)
"""Lowest and highest side of the network's input in pixels, and number of regions in k_range."""


class Checked:
    """Base of dataclasses that check their fields when they are made. Raises StreamsegError."""

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        check({name: value for name, value in values.items() if not isinstance(value, Checked)})


def check(values: Mapping[str, Any]) -> None:
    """Check settings by name; a setting without limits passes, and so does a number that is None. Raises
    StreamsegError."""
    for name, value in values.items():
        if name in CHOICES and value not in CHOICES[name]:
            raise StreamsegError(f"{name} is {value!r}", plugins.did_you_mean(str(value), CHOICES[name]))
        if name in SWITCHES and value not in (True, False):
            raise StreamsegError(f"{name} is {value!r}", "give True or False")
        for limits, kind, what in ((WHOLE, Integral, "a whole number"), (REAL, Real, "a number")):
            if name in limits and value is not None and not _within(value, kind, limits[name]):
                low, high = limits[name]
                to_high = f" to {high}" if high < math.inf else " on"
                raise StreamsegError(f"{name} is {value!r}", f"give {what} from {low}{to_high}")
    if "size" in values and not _is_size(values["size"]):
        raise StreamsegError(f"size is {values['size']!r}", "give N (shorter side) or (H, W), each 16 to 8192")
    if "k_range" in values and not _is_range(values["k_range"]):
        raise StreamsegError(f"k_range is {values['k_range']!r}", "give (LOW, HIGH) within 1 ... 64")


def _within(value: Any, kind: type, limits: tuple[float, float]) -> bool:
    return isinstance(value, kind) and limits[0] <= value <= limits[1] and value != math.inf  # type: ignore[operator]


def _is_size(size: Any) -> bool:
    sides = size if isinstance(size, tuple | list) and len(size) == 2 else (size,)
    return all(_within(side, Integral, SIDES) for side in sides)


def _is_range(pair: Any) -> bool:
    fits = isinstance(pair, tuple | list) and len(pair) == 2
    return fits and all(_within(end, Integral, REGIONS) for end in pair) and pair[0] <= pair[1]
