"""Convert a run.json to lines of text, for the summary of `streamseg run` and the page of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MAX_NAMED = 8
"""The most frames that a line names."""


def facts_of_run(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (name, text) for each figure of a run.json. If the run has not ended, only its status is known."""
    if "latency_ms" not in result:
        return [("frames", f"unknown ({result['status']})")]
    latency, model = result["latency_ms"], result["model"]
    model = model[0] if isinstance(model, list) and model else model
    skipped = sum(reason["count"] for reason in result["skipped"].values())
    lost = f", {skipped} skipped" if skipped else ""
    lost += f", {result['dropped']} dropped" if result["dropped"] else ""
    facts = [
        ("frames", f"{result['frames']} ({result['status']}{lost})"),
        ("speed", _speed(result)),
    ]
    if latency["p99"]:
        facts.append(("latency", f"p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms{_late(result)}"))
    if result.get("ladder"):
        facts.append(("for the latency", _lowered_quality(result["ladder"])))
    if result["key_frames"] < result["frames"]:
        facts.append(("keyframes", f"{result['key_frames']}: the network ran on these, the others follow the flow"))
    if model:
        facts.append(("model", f"{model['name']}, {model['engine']} on {model['device']}, {model['precision']}"))
    if camera := result["intrinsics"]:
        values = ", ".join(f"{name} {camera[name]:.1f}" for name in ("fx", "fy", "cx", "cy"))
        facts.append(("camera", values + (" (guessed)" if camera.get("guessed") else "")))
    if units := result["source"]["depth_units_per_metre"]:
        moved = "" if result["settings"]["options"]["align_depth"] is None else ", moved by --align-depth"
        facts.append(("depth", f"{units:g} units per metre ({result['source']['depth_scale_from']}){moved}"))
    ks = [entry["k"] for entry in result["k"]]
    if ks:
        facts.append(("regions", f"{min(ks)}" if min(ks) == max(ks) else f"{min(ks)} to {max(ks)}"))
    if result["settings"]["objects"]["objects"]:
        facts.append(("objects", _objects(result["objects"], result["frames"])))
    if any(frames["count"] for frames in result.get("supports", {}).values()):
        facts.append(("support", _supports(result["supports"])))
    if result["id_changes"] is not None:
        facts.append(("ids that change", f"{100 * result['id_changes']:.1f} % of the pixels a frame"))
    facts += [("skipped", f"{frames['count']} x {reason}") for reason, frames in result["skipped"].items()]
    facts += [("without depth", f"{count} x {reason}") for reason, count in result["without_depth"].items()]
    return facts


def _late(result: Mapping[str, Any]) -> str:
    """Return how many frames of a live source exceeded the maximal latency; "" if there was none."""
    if result.get("late") is None:
        return ""
    return f"; {result['late'] or 'none'} later than {result['settings']['run']['max_latency']:g} ms"


def _lowered_quality(ladder: Sequence[Mapping[str, Any]]) -> str:
    """Return how a live run lowered its quality to meet the latency, see `features.ladder`."""
    factor = max(step["keyframes"] for step in ladder)
    rarer = f", and keyframes were up to {factor} times as far apart" if factor > 1 else ""
    return f"from frame {ladder[0]['frame']} on frames did not always wait for keyframes{rarer}"


def _speed(result: Mapping[str, Any]) -> str:
    """Return the speed of the whole run, and its speed after the first masks.

    The latter is left out if the start took most of the time: the run has read and extracted frames ahead meanwhile, so
    the few others would seem too fast.
    """
    whole_run = f"{result['fps']:.1f} frames/s"
    if not result.get("pace") or result["seconds"] < 2 * result["start_seconds"]:
        return whole_run
    return f"{whole_run}; {result['pace']:.1f} after the first masks, which took {result['start_seconds']:.1f} s"


def _objects(objects: Sequence[Mapping[str, Any]], frames: int) -> str:
    """Return the number of different objects, and the mean number in a frame."""
    if not objects:
        return "none found"
    return f"{len(objects)} in all, {sum(each['frames'] for each in objects) / frames:.1f} in a frame on average"


def _supports(supports: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how many keyframes show each kind of support, the most frequent first. The frames with a less frequent one
    are named. supports: see `manifest.describe_statistics`."""
    names = ("bin or shelf", "table or other plane", "neither")
    kinds = [(name, kind) for name, kind in zip(names, supports.values()) if kind["count"] or name != "neither"]
    (name, most), *others = sorted(kinds, key=lambda kind: -kind[1]["count"])
    total = sum(kind["count"] for kind in supports.values())
    parts = [f"{name} in {most['count'] or 'none'} of {total} keyframes with depth"]
    for name, kind in others:
        part = f"{name} in {kind['count'] or 'none'}"
        if kind["count"]:
            plural, more = "s" if kind["count"] > 1 else "", ", ..." if kind["count"] > MAX_NAMED else ""
            part += f" (frame{plural} {', '.join(map(str, kind['frames'][:MAX_NAMED]))}{more})"
        parts.append(part)
    return ", ".join(parts)
