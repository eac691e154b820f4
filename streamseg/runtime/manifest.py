"""Write run.json, the record of a run: settings, versions, speed and losses, to explain and repeat its result."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from streamseg.backbones import Backbone
from streamseg.backbones.placement import Place
from streamseg.files import MANIFEST, written
from streamseg.runtime.statistics import Statistics
from streamseg.text import to_json

PACKAGES = (
    "streamseg",
    "openvino",
    "onnxruntime-gpu",
    "onnxruntime",
    "torch",
    "faiss-gpu",
    "faiss-cpu",
    "timm",
    "numpy",
)


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the version of each installed package, by name. Packages that are not installed are left out.

    The versions come from the names of the folders NAME-VERSION.dist-info: `importlib.metadata` would take a fortieth
    of the time of a start.
    """
    installed: dict[str, str] = {}
    for folder in sys.path:
        with suppress(OSError):
            for name in os.listdir(folder or "."):
                project, _, version = name.removesuffix(".dist-info").rpartition("-")
                if name.endswith(".dist-info"):
                    # the first one counts, as when Python imports a module
                    installed.setdefault(project.replace("_", "-").lower(), version)
    return {package: installed[package] for package in packages if package in installed}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles {"p50", "p95", "p99", "max"} of values, rounded to 0.01; zeros if there are none."""
    if not len(values):
        return dict.fromkeys(("p50", "p95", "p99", "max"), 0.0)
    numbers = np.percentile(np.asarray(values, dtype=np.float64), (50, 95, 99, 100))
    return {name: round(float(n), 2) for name, n in zip(("p50", "p95", "p99", "max"), numbers, strict=True)}


def describe_backbone(backbone: Backbone, labels_on: Place) -> dict[str, object]:
    """Return what run.json records of a network. labels_on: where labels are computed, "host" or a device."""
    return {
        "name": backbone.name,
        "sha256": backbone.sha256,
        "size": list(backbone.size),
        "stride": backbone.stride,
        "dim": backbone.dim,
        "engine": backbone.engine,
        "device": backbone.device,
        "precision": backbone.precision,
        "precision_reason": backbone.precision_reason,
        "labels_on": str(labels_on),
    }


def describe_statistics(statistics: Statistics) -> dict[str, object]:
    """Return the counts, rates and times of a run, as run.json records them."""
    reasons: dict[str, list[str]] = {}
    for skip in statistics.skipped:
        reasons.setdefault(skip.reason, []).append(skip.name)
    return {
        "frames": statistics.processed,
        "intrinsics": _camera(statistics),
        "key_frames": statistics.key_frames,
        "frames_in": statistics.frames_in,
        "dropped": statistics.dropped,
        "skipped": {reason: {"count": len(names), "frames": names[:20]} for reason, names in reasons.items()},
        "without_depth": dict(statistics.no_depth),
        "fps": round(statistics.fps, 2),
        "seconds": round(statistics.seconds, 3),
        "start_seconds": round(statistics.start_seconds, 3),
        "pace": round(statistics.pace, 2),
        "latency_ms": percentiles(statistics.latency_ms),
        "late": statistics.late,
        "ladder": statistics.ladder,
        "stage_ms": {stage: percentiles(times) for stage, times in statistics.stage_ms.items()},
        "objects": [
            {"id": i, "frames": len(scores), "score": round(float(np.mean(scores)), 3)}
            for i, scores in sorted(statistics.scores.items())
        ],
        "supports": {
            kind: {"count": len(indices), "frames": list(indices[:20])}
            for kind, indices in statistics.objects_record.supports.items()
        },
        # null if the frames are photographs, or if no two consecutive frames have the same size
        "id_changes": round(float(np.mean(statistics.id_changes)), 5)
        if statistics.id_changes and statistics.objects_record.is_video
        else None,
    }


def _camera(statistics: Statistics) -> dict[str, object] | None:
    """Return the camera intrinsics of a run, marked as guessed if they are; None if unknown and not guessed."""
    if statistics.intrinsics is None and statistics.objects_record.camera is not None:
        return {**asdict(statistics.objects_record.camera), "guessed": True}
    return None if statistics.intrinsics is None else asdict(statistics.intrinsics)


def write(folder: Path, content: Mapping[str, object], best_effort: bool = False) -> None:
    """Write run.json in `folder`. The file is replaced as a whole, or not at all.

    best_effort: ignore an OSError. For use while another exception is raised, which most likely has the same cause.
    """
    try:
        with written(folder / MANIFEST) as temporary:
            temporary.write_bytes(to_json(content, indent=2) + b"\n")
    except OSError:
        if not best_effort:
            raise
