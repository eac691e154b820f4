"""The verdict: whether training helped.

It says that training helped only if the 95 % interval of the paired difference is above 0, on frames that were not used
to choose the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.probes import Result
from train.probes.bootstrap import interval

JUDGED = {"iou_union": "regions", "free": "objects"}
"""{figure: what it is the IoU of}. The verdict depends on these figures alone; others are compared, too."""
FEWEST = 2
"""Smallest number of units for which an interval is computed."""


def compared(before: Result, after: Result, seed: int = 0, stretched: bool = True) -> dict[str, dict[str, Any]]:
    """Compare two networks on the same units.

    Returns {figure: {"before", "after", "difference", "interval", "recordings"}}. The interval is None for a single
    unit. stretched: see `train.probes.bootstrap.interval`.
    """
    comparisons: dict[str, dict[str, Any]] = {}
    for name, scores in after.scores.items():
        old, new = before.figures()[name], after.figures()[name]
        change = scores - before.scores[name]
        low_high = None
        if len(change) >= FEWEST:
            low_high = list(interval(change, after.groups, after.macro, seed=seed, stretched=stretched))
        comparisons[name] = {
            "before": old,
            "after": new,
            "difference": new - old,
            "interval": low_high,
            "recordings": len(np.unique(after.groups)),
        }
    return comparisons


def all_compared(
    before: Mapping[str, Result], after: Mapping[str, Result], seed: int = 0, stretched: bool = True
) -> dict[str, dict[str, Any]]:
    """Return `compared` of the results that both networks have for the same units, in the order of `before`."""
    comparisons: dict[str, dict[str, Any]] = {}
    for name, old in before.items():
        new = after.get(name)
        if new is not None and old.names == new.names and len(old.groups) == len(new.groups):
            comparisons |= compared(old, new, seed, stretched)
    return comparisons


def of_scores(scores: Mapping[str, Sequence[float]], like: Result) -> Result:
    """Return the result with these scores for the frames of `like`. scores: {figure: one value for each frame}."""
    return Result({name: np.array(values) for name, values in scores.items()}, like.groups, like.names, like.macro)


def verdict(
    comparisons: Mapping[str, Mapping[str, Any]], figures: Mapping[str, Mapping[str, float]], probed: bool = True
) -> str:
    """Return the first line of a summary.

    comparisons: on the frames that chose nothing, see `compared`. figures: of the probe that chooses, for
    "frozen" and "best". probed: False with --no-probe.
    """
    judged = {what: comparisons[name] for name, what in JUDGED.items() if name in comparisons}
    if not judged:
        return _without_masks(figures, probed)
    intervals = {what: comparison["interval"] for what, comparison in judged.items() if comparison["interval"]}
    better = [what for what, (low, _) in intervals.items() if low > 0]
    worse = [what for what, (_, high) in intervals.items() if high < 0]
    details = "; ".join(_sentence(what, comparison) for what, comparison in judged.items())
    if min(comparison["recordings"] for comparison in judged.values()) == 1:
        details += "; this is one recording: give --val more, for others may fare otherwise"
    if worse:
        also = f" and {' and '.join(better)} better" if better else ""
        return f"training made {' and '.join(worse)} worse{also}: {details}" + ("" if better else "; keep the start")
    if better:
        return f"training helped: {details}"
    return f"no difference can be told: {details}"


def fell(comparisons: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a figure of the verdict became worse, with its whole interval below 0, see `compared`."""
    intervals = [comparisons[name]["interval"] for name in JUDGED if name in comparisons]
    return any(interval and interval[1] < 0 for interval in intervals)


def format_difference(comparison: Mapping[str, Any]) -> str:
    """Return the difference of one figure and its interval, such as "+0.012 [+0.004, +0.020]". See `compared`."""
    text = f"{comparison['difference']:+.3f}"
    if comparison["interval"]:
        low, high = comparison["interval"]
        text += f" [{low:+.3f}, {high:+.3f}]"
    return text


def _sentence(what: str, comparison: Mapping[str, Any]) -> str:
    before, after = comparison["before"], comparison["after"]
    return f"IoU of {what} {after:.3f}, {before:.3f} before ({format_difference(comparison)})"


def _without_masks(figures: Mapping[str, Mapping[str, float]], probed: bool) -> str:
    advice = "give annotated recordings with --val to learn whether training helps"
    frozen, best = figures.get("frozen", {}), figures.get("best", {})
    if "agreement" in best and "agreement" in frozen:
        before, after = round(frozen["agreement"], 3), round(best["agreement"], 3)
        lower = ", so it fell: train longer, or keep the start" if after < before else ""
        return f"no masks: agreement with the objects {after:.3f} at best, {before:.3f} before{lower}; {advice}"
    if best:
        return f"no masks: nothing but the accuracy of classes was measured; {advice}"
    if probed:
        return f"nothing was measured, as there are no masks and no objects to compare with: {advice}"
    return "nothing was measured: to learn whether training helps, leave out --no-probe, and give --val"
