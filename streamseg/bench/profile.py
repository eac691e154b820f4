"""A profile of a run: wall and processor time of each stage in each thread, as a table and as a trace.

The trace is in Chrome's Trace Event Format (complete events), which https://ui.perfetto.dev opens.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.bench.turn import Turn, looped, recording
from streamseg.features.timing import Span, listening
from streamseg.files import written
from streamseg.runtime.manifest import percentiles
from streamseg.runtime.session import open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, open_sink


def profile(turn: Turn, trace: Path | None = None) -> dict[str, Any]:
    """Run `turn` once, after a warm-up, and return the time of each stage. trace: the file to write the trace to.

    Returns {"source", "frames", "key_frames", "fps", "latency_ms", "cpu_ms_per_frame", "elsewhere_ms", "stages"};
    elsewhere_ms: processor time per frame in threads of libraries and between the stages. "stages" is a list, see
    `table`. Raises StreamsegError.
    """
    spans: list[Span] = []
    with ExitStack() as stack:
        source = recording(turn.source, turn.options)
        session = stack.enter_context(open_session(turn, source=source))
        session.warm_up(turn.batch)
        source = looped(source, turn.frames)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamseg-profile-")))
        run, statistics = Run(title=source.uri, fps=source.fps, masks=turn.usual_masks), Statistics()
        with ExitStack() as closing:
            sinks = [closing.enter_context(open_sink(name, folder, run)) for name in turn.save]
            with listening(spans.append):
                began = time.process_time()
                stream(source, session.segmenter, sinks, batch=turn.batch, statistics=statistics)
                cpu_seconds = time.process_time() - began
    if trace is not None:
        with written(trace) as path:
            path.write_text(json.dumps({"traceEvents": events(spans), "displayTimeUnit": "ms"}))
    frames = max(1, statistics.processed)
    stages = table(spans, frames)
    in_stages = sum(stage["cpu"] for stage in stages if not stage["part"])
    return {
        "source": turn.source,
        "frames": statistics.processed,
        "key_frames": statistics.key_frames,
        "fps": round(statistics.fps, 2),
        "latency_ms": percentiles(statistics.latency_ms),
        "cpu_ms_per_frame": round(1e3 * cpu_seconds / frames, 2),
        "elsewhere_ms": round(1e3 * cpu_seconds / frames - in_stages, 2),
        "stages": stages,
    }


def table(spans: list[Span], frames: int) -> list[dict[str, Any]]:
    """Return a row for each stage of each thread, sorted by thread. The parts of a stage precede the stage.

    A row is {"thread", "stage", "part", "calls", "p50", "p99", "wall", "cpu"}: p50 and p99 are ms per call, wall and
    cpu are ms per frame of the run.
    """
    groups: dict[tuple[str, str, bool], list[Span]] = defaultdict(list)
    for span in spans:
        pool = span.thread.rstrip("0123456789").rstrip("_-")  # the threads of a pool share a row
        groups[pool, span.stage, span.part].append(span)
    threads = list(dict.fromkeys(thread for thread, _, _ in groups))  # in the order in which their first stages end
    return [
        {
            "thread": thread,
            "stage": stage,
            "part": part,
            "calls": len(calls),
            "p50": round(1e3 * float(np.median([span.seconds for span in calls])), 2),
            "p99": round(1e3 * float(np.percentile([span.seconds for span in calls], 99)), 2),
            "wall": round(1e3 * sum(span.seconds for span in calls) / frames, 2),
            "cpu": round(1e3 * sum(span.processor for span in calls) / frames, 2),
        }
        for (thread, stage, part), calls in sorted(groups.items(), key=lambda group: threads.index(group[0][0]))
    ]


def events(spans: list[Span]) -> list[dict[str, Any]]:
    """Return the trace events, in microseconds since the first one, with one track per thread."""
    names = sorted({span.thread for span in spans})
    first = min((span.began for span in spans), default=0.0)
    tracks = {name: number for number, name in enumerate(names, 1)}
    process = os.getpid()
    track_names = [
        {"name": "thread_name", "ph": "M", "pid": process, "tid": tracks[name], "args": {"name": name}}
        for name in names
    ]
    return track_names + [
        {
            "name": span.stage,
            "ph": "X",
            "pid": process,
            "tid": tracks[span.thread],
            "ts": round(1e6 * (span.began - first), 1),
            "dur": round(1e6 * span.seconds, 1),
            "args": {"processor_ms": round(1e3 * span.processor, 3)},
        }
        for span in spans
    ]
