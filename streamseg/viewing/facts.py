"""What a run's manifest says, in lines for people: the summary of `run`, and the page of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TOLD = 8
"""So many frames at most are named."""


def facts_of_run(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of each figure of a run.json; only its status where the run did not come to an end."""
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
        facts.append(("for the latency", _given_up(result["ladder"])))
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
        facts.append(("objects", _told(result["objects"], result["frames"])))
    if any(one["count"] for one in result.get("supports", {}).values()):
        facts.append(("support", _supported(result["supports"])))
    if result["id_changes"] is not None:
        facts.append(("ids that change", f"{100 * result['id_changes']:.1f} % of the pixels a frame"))
    facts += [("skipped", f"{which['count']} x {reason}") for reason, which in result["skipped"].items()]
    facts += [("without depth", f"{count} x {reason}") for reason, count in result["without_depth"].items()]
    return facts


def _late(result: Mapping[str, Any]) -> str:
    """How many frames of a live source came later than they should."""
    if result.get("late") is None:
        return ""
    return f"; {result['late'] or 'none'} later than {result['settings']['run']['max_latency']:g} ms"


def _given_up(ladder: Sequence[Mapping[str, Any]]) -> str:
    """What a live run did without to be in time, see `features.ladder`."""
    factor = max(step["keyframes"] for step in ladder)
    rarer = f", and keyframes were up to {factor} times as far apart" * (factor > 1)
    return f"from frame {ladder[0]['frame']} on frames did not always wait for keyframes{rarer}"


def _speed(result: Mapping[str, Any]) -> str:
    """Of the whole run; and without its start, unless that took most of the time: then the frames that it read ahead,
    and had the network see, would make the few others look faster than they are."""
    whole = f"{result['fps']:.1f} frames/s"
    if not result.get("pace") or result["seconds"] < 2 * result["start_seconds"]:
        return whole
    return f"{whole}; {result['pace']:.1f} after the first masks, which took {result['start_seconds']:.1f} s"


def _told(objects: Sequence[Mapping[str, Any]], frames: int) -> str:
    """How many different ones there were, and how many in a frame."""
    if not objects:
        return "none found"
    return f"{len(objects)} in all, {sum(one['frames'] for one in objects) / frames:.1f} in a frame on average"


def _supported(supports: Mapping[str, Mapping[str, Any]]) -> str:
    """How many keyframes show what things lie in or stand on, the most first, and which ones what most do not show."""
    named = zip(supports.values(), ("bin or shelf", "table or other plane", "neither"))
    told = sorted((one for one in named if one[0]["count"] or one[1] != "neither"), key=lambda one: -one[0]["count"])
    parts: list[str] = []
    for one, name in told:
        of = f" of {sum(one['count'] for one in supports.values())} keyframes with depth" * (not parts)
        parts.append(f"{name} in {one['count'] or 'none'}{of}")
        if parts[1:] and one["count"] > 0:
            more = ", ..." * (one["count"] > TOLD)
            parts[-1] += f" (frame{'s' * (one['count'] > 1)} {', '.join(map(str, one['frames'][:TOLD]))}{more})"
    return ", ".join(parts)
