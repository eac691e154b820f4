"""Did training help? Only where the 95 % interval of the paired difference says so, on frames that chose nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.probes import Result
from train.probes.bootstrap import interval

JUDGED = {"iou_union": "regions", "free": "objects"}
"""Figure -> what it is the IoU of. The verdict hangs on these; all others are told."""
FEWEST = 2
"""Units that a figure with an interval has at least."""


def compared(before: Result, after: Result, seed: int = 0, stretched: bool = True) -> dict[str, dict[str, Any]]:
    """{figure: {"before", "after", "difference", "interval", "recordings"}}, units paired; the interval is None for a
    single unit. stretched: see `interval`."""
    found: dict[str, dict[str, Any]] = {}
    for name, scores in after.scores.items():
        figures = before.figures()[name], after.figures()[name]
        change = scores - before.scores[name]
        low_high = None
        if len(change) >= FEWEST:
            low_high = interval(change, after.groups, after.macro, seed=seed, stretched=stretched)
        found[name] = {
            "before": figures[0],
            "after": figures[1],
            "difference": figures[1] - figures[0],
            "interval": None if low_high is None else list(low_high),
            "recordings": len(np.unique(after.groups)),
        }
    return found


def of_scores(scores: Mapping[str, Sequence[float]], like: Result) -> Result:
    """A result of the same frames as `like`, from scores that were kept."""
    return Result({name: np.array(values) for name, values in scores.items()}, like.groups, like.names, like.macro)


def verdict(report: Mapping[str, Mapping[str, Any]], figures: Mapping[str, Mapping[str, float]]) -> str:
    """The first line of a summary. report: of `compared`. figures: of the probe that chose, "frozen" and "best"."""
    judged = {what: report[name] for name, what in JUDGED.items() if name in report}
    if not judged:
        return _without_masks(figures)
    better = [what for what, one in judged.items() if one["interval"] and one["interval"][0] > 0]
    worse = [what for what, one in judged.items() if one["interval"] and one["interval"][1] < 0]
    told = "; ".join(_told(what, one) for what, one in judged.items())
    if min(one["recordings"] for one in judged.values()) == 1:
        told += "; this is one recording: give --val more, for others may fare otherwise"
    if worse:
        also = f" and {' and '.join(better)} better" if better else ""
        return f"training made {' and '.join(worse)} worse{also}: {told}" + ("" if better else "; keep the start")
    if better:
        return f"training helped: {told}"
    return f"no difference can be told: {told}"


def fell(report: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a figure that the verdict hangs on became worse, with its interval. report: of `compared`."""
    low_high = [report[name]["interval"] for name in JUDGED if name in report]
    return any(one and one[1] < 0 for one in low_high)


def _told(what: str, one: Mapping[str, Any]) -> str:
    change = f"{one['difference']:+.3f}"
    if one["interval"]:
        change += " [{:+.3f}, {:+.3f}]".format(*one["interval"])
    return f"IoU of {what} {one['after']:.3f}, {one['before']:.3f} before ({change})"


def _without_masks(figures: Mapping[str, Mapping[str, float]]) -> str:
    ask = "give annotated recordings with --val to learn whether training helps"
    if "agreement" not in figures.get("best", {}) or "agreement" not in figures.get("frozen", {}):
        return f"no probe: {ask}"
    before, after = (figures[name]["agreement"] for name in ("frozen", "best"))
    return f"no masks: agreement with the objects {after:.3f} at best, {before:.3f} before; {ask}"
