"""A profile of a run: each stage in each thread, wall and processor time, as a table and as a trace to look at.

The trace is in Chrome's format (Trace Event Format, complete events), which https://ui.perfetto.dev opens.
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

from streamseg.bench.turn import Turn, recording
from streamseg.features.timing import Span, listening
from streamseg.files import written
from streamseg.runtime.manifest import percentiles
from streamseg.runtime.session import open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, open_sink


def profile(turn: Turn, trace: Path | None = None) -> dict[str, Any]:
    """Run `turn` once, warm, and say where its time went. trace: a file that is written, see above.

    Returns {"source", "frames", "key_frames", "fps", "latency_ms", "cpu_ms_per_frame", "elsewhere_ms", "stages"};
    elsewhere_ms: the processor time a frame of threads that libraries keep, and of what lies between stages.
    A stage: {"thread", "stage", "part", "calls", "p50", "p99", "wall", "cpu"}; p50 and p99 in ms of one call, wall and
    cpu in ms a frame of the run. Raises StreamsegError.
    """
    spans: list[Span] = []
    with ExitStack() as stack:
        session = stack.enter_context(open_session(turn))
        session.warm_up(turn.batch)
        source = recording(session.source, turn.frames)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamseg-profile-")))
        run, report = Run(title=source.uri, fps=source.fps, masks=turn.usual_masks), Statistics()
        with ExitStack() as closing:
            sinks = [closing.enter_context(open_sink(name, folder, run)) for name in turn.save]
            with listening(spans.append):
                began = time.process_time()
                stream(source, session.segmenter, sinks, batch=turn.batch, report=report)
                used = time.process_time() - began
    if trace is not None:
        with written(trace) as path:
            path.write_text(json.dumps({"traceEvents": events(spans), "displayTimeUnit": "ms"}))
    frames = max(1, report.processed)
    stages = table(spans, frames)
    inside = sum(one["cpu"] for one in stages if not one["part"])
    return {
        "source": turn.source,
        "frames": report.processed,
        "key_frames": report.key_frames,
        "fps": round(report.fps, 2),
        "latency_ms": percentiles(report.latency_ms),
        "cpu_ms_per_frame": round(1e3 * used / frames, 2),
        "elsewhere_ms": round(1e3 * used / frames - inside, 2),
        "stages": stages,
    }


def table(spans: list[Span], frames: int) -> list[dict[str, Any]]:
    """One row a stage and thread, in the order in which they first ended; parts stand before the stage they lie in."""
    found: dict[tuple[str, str, bool], list[Span]] = defaultdict(list)
    for span in spans:
        # threads of one pool do one job
        found[span.thread.rstrip("0123456789").rstrip("_-"), span.stage, span.part].append(span)
    threads = list(dict.fromkeys(thread for thread, _, _ in found))
    return [
        {
            "thread": thread,
            "stage": stage,
            "part": part,
            "calls": len(own),
            "p50": round(1e3 * float(np.median([span.seconds for span in own])), 2),
            "p99": round(1e3 * float(np.percentile([span.seconds for span in own], 99)), 2),
            "wall": round(1e3 * sum(span.seconds for span in own) / frames, 2),
            "cpu": round(1e3 * sum(span.processor for span in own) / frames, 2),
        }
        for (thread, stage, part), own in sorted(found.items(), key=lambda one: threads.index(one[0][0]))
    ]


def events(spans: list[Span]) -> list[dict[str, Any]]:
    """Trace events: microseconds from the first of them, one track a thread."""
    names = sorted({span.thread for span in spans})
    first = min((span.began for span in spans), default=0.0)
    tracks = {name: number for number, name in enumerate(names, 1)}
    process = os.getpid()
    named = [
        {"name": "thread_name", "ph": "M", "pid": process, "tid": tracks[name], "args": {"name": name}}
        for name in names
    ]
    return named + [
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
