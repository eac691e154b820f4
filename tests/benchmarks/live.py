"""Latency of a live source, from the arrival of a frame to its masks, and the number of dropped frames.

    python tests/benchmarks/live.py RECORDING [--seconds 20] [--rate 30] [--save overlay,objects] [--max-latency MS]

The recording is decoded beforehand, and played forwards and backwards at the rate of a camera into a run that works
like `streamseg run` and writes its files. The script prints latencies [ms] of all frames and of those after the start,
for keyframes and the other frames separately.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import click

from streamseg.config import RunConfig, from_flags
from streamseg.frame import Frame
from streamseg.runtime.manifest import percentiles
from streamseg.runtime.session import open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, open_sink
from streamseg.sources import LiveSource, Recording, open_source

KEPT = 120
"""Frames that are held in memory."""
START = 2.0
"""Seconds after the first masks that belong to the start: frames that waited meanwhile are through by then."""


class Camera(LiveSource):
    """`count` frames, `rate` a second, forwards and backwards through the first frames of a recording."""

    def __init__(self, recording: Recording, rate: float, count: int) -> None:
        self.uri, self.kind, self.fps, self.count = recording.uri, "camera", rate, count
        self.frames = [recording[i] for i in range(min(KEPT, len(recording)))]
        self.frame_size = self.frames[0].rgb.shape[:2]
        self.ended = Event()

    def __iter__(self) -> Iterator[Frame]:
        began, there = time.perf_counter(), len(self.frames) - 1
        for index in range(self.count):
            if self.ended.wait(max(0.0, began + index / self.fps - time.perf_counter())):
                return
            place = abs((index + there) % (2 * there) - there)
            yield replace(self.frames[place], index=index, name=f"{index:06d}", timestamp=index / self.fps)

    def close(self) -> None:
        self.ended.set()


def played(job: RunConfig, camera: Camera) -> dict[str, Any]:
    """Run `job` on `camera`, and return the figures."""
    statistics, keys, late, dropped = Statistics(), [0], [], [0]
    first = 0.0

    def seen(so_far: Statistics) -> None:
        nonlocal first
        first = first or time.perf_counter()
        if time.perf_counter() - first < START:
            dropped[0] = so_far.dropped
        else:
            late.append((so_far.latency_ms[-1], so_far.key_frames > keys[-1]))
        keys.append(so_far.key_frames)

    with ExitStack() as stack:
        session = stack.enter_context(open_session(job, source=camera))
        session.warm_up()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamseg-live-")))
        about = Run("live", camera.fps, masks=job.mask_kind)
        with ExitStack() as closing:
            sinks = [closing.enter_context(open_sink(name, folder, about)) for name in job.save]
            stream(
                camera,
                session.segmenter,
                sinks,
                statistics=statistics,
                progress=seen,
                max_latency=job.max_latency,
                policy="latest",
            )
    return {
        "frames": statistics.frames_in,
        "dropped": statistics.dropped,
        "dropped in the start": dropped[0],
        "start_s": round(statistics.start_seconds, 2),
        "ladder": statistics.ladder,
        "all": percentiles(statistics.latency_ms),
        "after the start": percentiles([ms for ms, _ in late]),
        "keyframes": percentiles([ms for ms, key in late if key]) | {"frames": sum(key for _, key in late)},
        "others": percentiles([ms for ms, key in late if not key]) | {"frames": sum(not key for _, key in late)},
    }


@click.command()
@click.argument("recording")
@click.option("--seconds", default=20.0, show_default=True, help="Length of the stream.")
@click.option("--rate", default=30.0, show_default=True, help="Frames a second.")
@click.option("--save", default="overlay,objects", show_default=True, help="As in run.")
@click.option("--max-latency", type=float, help="As in run.")
def main(recording: str, seconds: float, rate: float, save: str, max_latency: float | None) -> None:
    """Measure the latency of a run on RECORDING, played like a camera, and print JSON."""
    with open_source(recording) as source:
        camera = Camera(source, rate, round(seconds * rate))
    flags = {"save": tuple(save.split(",")), "max_latency": max_latency}
    click.echo(json.dumps(played(RunConfig(recording, **from_flags(flags)), camera), indent=2))


if __name__ == "__main__":
    main()
