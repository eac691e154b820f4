"""Lower bounds for a run on this machine: the time of each unavoidable part alone, beside whole runs.

    python tests/benchmarks/limits.py RECORDING [--frames 200] [--turns 3]

decode   every frame, and its depth, as a run reads them
network  the default network on keyframes only, at the distance that a run with objects uses
draw     the overlay of each frame
draw and write     the overlay as a video
regions, objects   whole runs that write overlay and masks, by `streamseg bench --profile`

The parts take turns. The table has the median over the turns: milliseconds of processor time and of wall time a frame.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from streamseg.bench.profile import profile
from streamseg.bench.runner import machine
from streamseg.bench.turn import Turn, looped, recording, turn_settings
from streamseg.features.preparation import prepare
from streamseg.frame import Frame, Segmentation
from streamseg.masks.drawing import overlay
from streamseg.runtime.session import open_session
from streamseg.sinks import Run, open_sink

KEPT = 40
"""Frames that are held in memory for what is measured without decoding."""


def parts(turn: Turn) -> dict[str, tuple[float, float]]:
    """{part: (processor time, wall time) in ms a frame}."""
    source = recording(turn.source, turn.options)
    with open_session(turn, source=source) as session:
        session.warm_up()
        source = looped(source, turn.frames)
        kept = [source[i] for i in range(min(KEPT, len(source)))]
        backbone = session.segmenter.extractor.backbone(kept[0].rgb.shape[:2])
        images = prepare(kept[0].rgb, backbone.size)
        masks = np.indices(kept[0].rgb.shape[:2])[1] // 80 % 3
        labels = masks.astype(np.uint8)
        found = {
            "decode": _clocked(lambda i: (source[i].rgb, source[i].depth), turn.frames),
            "network": _clocked(lambda i: i % turn.keyframe_distance or backbone(images), turn.frames),
            "draw": _clocked(lambda i: overlay(kept[i % len(kept)].rgb, labels), turn.frames),
        }
        with tempfile.TemporaryDirectory(prefix="streamseg-limits-") as folder:
            run = Run(title=source.uri, fps=source.fps, masks=turn.usual_masks)
            with open_sink("overlay", Path(folder), run) as sink:
                found["draw and write"] = _clocked(
                    lambda i: sink.write(_numbered(kept[i % len(kept)], i), Segmentation(labels, 2, labels)),
                    turn.frames,
                )
    return found


def _turn(source: str, frames: int, *save: str) -> Turn:
    return Turn(source=source, frames=frames, **turn_settings({"save": save}))


def _numbered(frame: Frame, index: int) -> Frame:
    return replace(frame, index=index, name=f"{index:06d}")


def _clocked(work: Callable[[int], object], frames: int) -> tuple[float, float]:
    used, began = time.process_time(), time.perf_counter()
    for index in range(frames):
        work(index)
    return 1e3 * (time.process_time() - used) / frames, 1e3 * (time.perf_counter() - began) / frames


@click.command()
@click.argument("source")
@click.option("--frames", default=200, show_default=True, help="Frames of a turn.")
@click.option("--turns", default=3, show_default=True, help="Turns of each part.")
def main(source: str, frames: int, turns: int) -> None:
    """Measure the unavoidable parts of a run on SOURCE, and whole runs."""
    collected: dict[str, list[tuple[float, float]]] = {}
    load = os.getloadavg()[0]
    for _ in range(turns):
        for name, times in parts(_turn(source, frames, "objects")).items():
            collected.setdefault(name, []).append(times)
        for name, sink in (("regions", "labels"), ("objects", "objects")):
            whole = profile(_turn(source, frames, "overlay", sink))
            collected.setdefault(name, []).append((whole["cpu_ms_per_frame"], 1e3 / whole["fps"]))
    about = machine()
    print(f"{source}, {frames} frames, {turns} turns; {about['cores']} cores of {about['processor']}, ", end="")
    print(f"load {load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end\n")
    print("| | processor time a frame | wall time a frame |\n|---|---|---|")
    for name, all_times in collected.items():
        used, wall = (statistics.median(times) for times in zip(*all_times, strict=True))
        print(f"| {name} | {used:.1f} ms | {wall:.1f} ms |")


if __name__ == "__main__":
    main()
