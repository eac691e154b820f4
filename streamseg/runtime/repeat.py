"""Convert the settings of a run to the form in run.json, and a run.json back to the flags that repeat the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamseg.config import RunConfig
from streamseg.errors import OutputError
from streamseg.text import from_json

OWN = ("scene_cuts", "save", "every", "max_frames", "batch", "policy", "max_latency", "alpha", "masks")
"""Fields of `RunConfig` itself that influence the result. Where a run writes is not among them."""


def settings_of(job: RunConfig) -> dict[str, Any]:
    """Return every setting of a run, grouped by its part of the configuration, in types that JSON has."""
    parts = {name: asdict(getattr(job, name)) for name in ("extractor", "clustering", "objects", "options")}
    return {"source": job.source, **parts, "run": {name: getattr(job, name) for name in OWN}}


def flags_of(path: Path) -> dict[str, str | bool]:
    """Return the flags of `streamseg run` that repeat the run of a run.json.

    Returns {name: value as a user types it}, with the source as "source". Raises OutputError if the file is unusable.
    """
    try:
        content = from_json(path.read_bytes())
        if "settings" not in content and "method" in content:
            of_training = f"{str(path)!r} is of training, not of masks"
            raise OutputError(of_training, f"streamseg train {content['method']} --config {path}")
        settings = content["settings"]
        spec = settings["extractor"]["spec"]
        parts = [settings[name] for name in ("extractor", "clustering", "options", "run")]
        objects = {name: settings["objects"][name] for name in ("quality", "min_score")}
        source = settings["source"]
    except OSError as problem:
        raise OutputError(f"{str(path)!r} cannot be read: {problem.strerror}", "give a run.json") from problem
    except (ValueError, KeyError, TypeError):
        raise OutputError(
            f"{str(path)!r} does not hold the settings of a run", "give a run.json of this version"
        ) from None
    flags: dict[str, Any] = {"source": source} | objects | spec
    for part in parts:
        flags |= {name: value for name, value in part.items() if name != "spec"}
    return {name: _typed(name, value) for name, value in flags.items() if value not in (None, "", [], {})}


def _typed(name: str, value: Any) -> str | bool:
    """Return a value as a user types it."""
    if name in ("k", "keyframes"):
        return str(value or "auto")
    if name == "k_range":
        return f"{value[0]}:{value[1]}"
    if name == "size" and isinstance(value, list):
        return f"{value[0]}x{value[1]}"
    if isinstance(value, Mapping):  # intrinsics, alignment
        return ",".join(repr(item) for item in value.values())
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, bool) else str(value)
