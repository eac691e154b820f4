"""One turn of the benchmark, in a process of its own: a session over some frames, with all that can be read off it."""

from __future__ import annotations

import tempfile
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.bench.memory import memory_figures, open_files, peak, resident
from streamseg.config import SessionConfig
from streamseg.errors import SourceError
from streamseg.features.preparation import prepare
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.manifest import percentiles
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.session import open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, Sink, open_sink
from streamseg.sources import LiveSource, Recording

COMPARED, STEP = 60, 8
"""Masks of so many frames are kept for comparison, one pixel in STEP of each row and column."""


@dataclass(frozen=True)
class Turn(SessionConfig):
    """What one turn does. frames: how many, 0 = the recording once; save: the sinks, as `streamseg run --save`."""

    frames: int = 0
    batch: int = 1
    save: tuple[str, ...] = ("overlay",)


class Loop(Recording):
    """`length` frames of a recording that starts anew whenever it ends; names and time stamps go on."""

    def __init__(self, source: Recording, length: int) -> None:
        self.source, self.length = source, length
        self.uri, self.kind, self.fps, self.skipped = source.uri, source.kind, source.fps, source.skipped

    def __len__(self) -> int:
        return self.length

    def name_of(self, index: int) -> str:
        return f"{index:06d}"

    def __getitem__(self, index: int) -> Frame:
        frame = self.source[index % len(self.source)]
        return replace(frame, index=index, name=self.name_of(index), timestamp=index / self.fps)


class Masks(Sink):
    """Keeps the masks of the first frames, thinned out; ids: of each id the frame that it came with."""

    def __init__(self) -> None:
        self.kept: list[np.ndarray] = []
        self.ids: dict[int, int] = {}

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        thin = segmentation.shown[::STEP, ::STEP]
        self.ids = dict.fromkeys(np.unique(thin[thin > 0]).tolist(), frame.index) | self.ids
        if len(self.kept) < COMPARED:
            self.kept.append(thin.copy())

    def close(self) -> None:
        pass


def recording(source: Recording | LiveSource, frames: int) -> Recording:
    """The recording itself, or so many frames of it in a loop. Raises SourceError for a live source."""
    if isinstance(source, LiveSource):
        raise SourceError(f"{source.uri!r} is live and cannot be measured twice", "give a recording")
    return Loop(source, frames) if frames else source


def measure(turn: Turn) -> dict[str, Any]:
    """Do `turn`; see docs, Benchmarks, for what the figures mean. "masks" holds labels for comparison. Times in
    milliseconds, memory in MiB. Raises StreamsegError."""
    with open_session(turn, streams=1) as live:
        recording(live.source, 0)
        live.warm_up()
        source = recording(live.source, turn.frames)
        alone = in_memory([source[i] for i in range(min(len(source), 40))], live.segmenter)
    with ExitStack() as stack:
        session = stack.enter_context(open_session(turn))
        session.warm_up(turn.batch)
        source = recording(session.source, turn.frames)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamseg-bench-")))
        masks, monitor, report = Masks(), Monitor(), Statistics()
        with ExitStack() as closing:
            run = Run(title=source.uri, fps=source.fps, masks=turn.usual_masks)
            sinks = [closing.enter_context(open_sink(name, folder, run)) for name in turn.save]
            monitor.start()
            stream(
                source, session.segmenter, [*sinks, masks], batch=turn.batch, progress=monitor.frame_done, report=report
            )
        backbone = session.segmenter.extractor.backbones[0]
        used = {"engine": backbone.engine, "device": backbone.device, "precision": backbone.precision}
        return {
            **used,
            "size": list(backbone.size),
            **alone,
            **monitor.figures(report),
            "ids": {"all": len(masks.ids), "late": sum(2 * came > report.processed for came in masks.ids.values())},
            **figures(report, session.segmenter.extractor.streams),
            "masks": np.stack(masks.kept) if len({kept.shape for kept in masks.kept}) == 1 else None,
        }


def in_memory(frames: list[Frame], segmenter: Segmenter) -> dict[str, Any]:
    """Frame in memory to labels, against the bare network, in turn, so that both meet the same disturbances."""
    for frame in frames:
        frame.depth  # noqa: B018 (decodes it: this is not what is measured)
    segmenter.start(frames[: max(1, segmenter.start_frames)])
    network, step = array("d"), array("d")
    for number in range(max(60, len(frames))):
        frame = frames[number % len(frames)]
        backbone = segmenter.extractor.backbone(frame.rgb.shape[:2])
        images = prepare(frame.rgb, backbone.size)
        network.append(_milliseconds(partial(backbone, images)))
        step.append(_milliseconds(partial(segmenter.step, frame)))
    bare, whole = percentiles(network), percentiles(step)
    return {
        "network_ms": bare,
        "memory_to_labels_ms": whole,
        "labels_over_network": round(float(np.median(np.array(step) / np.array(network))), 3),
        "p99_over_p50": round(whole["p99"] / whole["p50"], 2),
    }


THREADS = {"read": ("read",), "network": ("depth", "prepare", "backbone"), "write": ("write",),
           "masks": ("flow", "follow", "cluster", "objects", "upsample")}  # fmt: skip
"""Which stages run in one thread, one after the other; the network in several, by the engine's streams."""


def figures(report: Statistics, streams: int = 1) -> dict[str, Any]:
    """What the report of a whole stream says. The segmenter hides what is not in its busiest thread."""
    wall = 1e3 * report.seconds / max(1, report.processed)
    each = {stage: sum(times) / max(1, report.processed) for stage, times in report.stage_ms.items()}
    busy = {name: sum(each.get(stage, 0.0) for stage in stages) for name, stages in THREADS.items()}
    busy["network"] /= streams
    return {
        "frames": report.processed,
        "key_frames": report.key_frames,
        "fps": round(report.fps, 3),
        "latency_ms": percentiles(report.latency_ms),
        "stage_ms": {stage: percentiles(times) for stage, times in report.stage_ms.items()},
        "busy_ms": {name: round(value, 2) for name, value in busy.items()},
        "wall_over_busiest": round(wall / max(busy.values()), 3),
        "compute_ms": round(busy["network"] * streams + busy["masks"], 2),
    }


class Monitor:
    """Time, processor time, memory and open files of this process while frames go by."""

    def __init__(self) -> None:
        self.times, self.memory, self.files = array("d"), array("d"), array("d")

    def start(self) -> None:
        self.cpu = time.process_time()

    def frame_done(self, report: Statistics) -> None:
        """Another frame is done."""
        self.times.append(time.perf_counter())
        if len(self.times) % 10 == 1:
            self.memory.append(resident())
            self.files.append(open_files())

    def figures(self, report: Statistics) -> dict[str, Any]:
        """cpu_ms_per_frame; peak_mib of the process, None where the system does not tell; growth of memory; the most
        files open in the second tenth of the frames and in the last; pace at the start and at the end."""
        cpu = 1e3 * (time.process_time() - self.cpu) / max(1, report.processed)
        most, tenth = peak(), len(self.files) // 10
        return {
            "cpu_ms_per_frame": round(cpu, 2),
            "peak_mib": most and round(most, 1),
            "memory": memory_figures(np.array(self.memory), every=10),
            "open_files": {
                "early": int(max(self.files[tenth : 2 * tenth + 1])),
                "late": int(max(self.files[-tenth - 1 :])),
            },
            "pace": pace(np.array(self.times)),
        }


def pace(times: np.ndarray) -> dict[str, float] | None:
    """Frames/s of the first and of the last 1000 frames (of runs below 2500: of the first and last 40 %)."""
    span = min(1000, int(0.4 * len(times)))
    if span < 8:
        return None
    first, last = span / (times[span] - times[0]), span / (times[-1] - times[-1 - span])
    return {
        "first_fps": round(float(first), 2),
        "last_fps": round(float(last), 2),
        "ratio": round(float(last / first), 3),
    }


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3
