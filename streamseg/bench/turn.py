"""One turn of the benchmark, in a process of its own: runs a session over some frames, and returns its figures."""

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

from streamseg.bench.memory import memory_figures, open_files, resident_mib
from streamseg.config import SessionConfig, SourceConfig, from_flags
from streamseg.features.preparation import prepare
from streamseg.frame import Frame, Segmentation
from streamseg.runtime.manifest import percentiles
from streamseg.runtime.memory import peak_mib
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.session import open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, Sink, open_sink
from streamseg.sources import Recording
from streamseg.sources.recording import open_recording

COMPARED, STEP = 60, 8
"""Masks of the first COMPARED frames are compared between engines, at every STEP-th row and column."""


@dataclass(frozen=True)
class Turn(SessionConfig):
    """The settings of a turn. frames: number of frames, 0 = the recording once. batch, save: as in `RunConfig`."""

    frames: int = 0
    batch: int = 1
    save: tuple[str, ...] = ("overlay",)


def turn_settings(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a `Turn`, or of a subclass, for flags by name."""
    settings = from_flags(flags)
    del settings["masks"]  # a turn follows from `objects` and `regions`, which `from_flags` has set
    return settings


class Loop(Recording):
    """A recording of `length` frames that repeats another one, with names and time stamps that go on."""

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
    """Keeps the subsampled masks of the first COMPARED frames. ids: {id: index of the first frame with it}."""

    def __init__(self) -> None:
        self.kept: list[np.ndarray] = []
        self.ids: dict[int, int] = {}

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        mask = segmentation.shown[::STEP, ::STEP]
        self.ids = dict.fromkeys(np.unique(mask[mask > 0]).tolist(), frame.index) | self.ids
        if len(self.kept) < COMPARED:
            self.kept.append(mask.copy())

    def close(self) -> None:
        pass


def recording(uri: str, options: SourceConfig | None = None) -> Recording:
    """Open what is measured. Raises SourceError if it is live."""
    return open_recording(uri, options, why="is live and cannot be measured twice")


def looped(source: Recording, frames: int) -> Recording:
    """Return `source`, or if `frames` is not 0, a loop over it of so many frames."""
    return Loop(source, frames) if frames else source


def measure(turn: Turn) -> dict[str, Any]:
    """Run `turn` and return its figures, which docs/benchmarks/speed.md explains. Times are in milliseconds, memory is
    in MiB. "masks": (N, h, w) uint8 labels to compare, or None if the frames differ in size. Raises StreamsegError."""
    source = recording(turn.source, turn.options)
    with open_session(turn, streams=1, source=source) as session:
        session.warm_up()
        source = looped(source, turn.frames)
        without_disk = in_memory([source[i] for i in range(min(len(source), 40))], session.segmenter)
    with ExitStack() as stack:
        source = recording(turn.source, turn.options)
        session = stack.enter_context(open_session(turn, source=source))
        session.warm_up(turn.batch)
        source = looped(source, turn.frames)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamseg-bench-")))
        masks, monitor, statistics = Masks(), Monitor(), Statistics()
        with ExitStack() as closing:
            run = Run(title=source.uri, fps=source.fps, masks=turn.usual_masks)
            sinks = [closing.enter_context(open_sink(name, folder, run)) for name in turn.save]
            monitor.start()
            stream(
                source,
                session.segmenter,
                [*sinks, masks],
                batch=turn.batch,
                progress=monitor.frame_done,
                statistics=statistics,
            )
        backbone = session.segmenter.extractor.backbones[0]
        used = {"engine": backbone.engine, "device": backbone.device, "precision": backbone.precision}
        return {
            **used,
            "size": list(backbone.size),
            **without_disk,
            **monitor.figures(statistics),
            "ids": {
                "all": len(masks.ids),
                "late": sum(2 * first > statistics.processed for first in masks.ids.values()),
            },
            **figures(statistics, session.segmenter.extractor.streams),
            "masks": np.stack(masks.kept) if len({kept.shape for kept in masks.kept}) == 1 else None,
        }


def in_memory(frames: list[Frame], segmenter: Segmenter) -> dict[str, Any]:
    """Compare the time from a frame in memory to its labels with the time of the network alone. Both are measured in
    turn, so that other programs on the machine disturb both alike."""
    for frame in frames:
        frame.depth  # noqa: B018 (decodes it, so that decoding is not measured)
    segmenter.start(frames[: max(1, segmenter.start_frames)])
    network, step = array("d"), array("d")
    for number in range(max(60, len(frames))):
        frame = frames[number % len(frames)]
        backbone = segmenter.extractor.backbone(frame.rgb.shape[:2])
        images = prepare(frame.rgb, backbone.size)
        network.append(_milliseconds(partial(backbone, images)))
        step.append(_milliseconds(partial(segmenter.step, frame)))
    step_ms = percentiles(step)
    return {
        "network_ms": percentiles(network),
        "memory_to_labels_ms": step_ms,
        "labels_over_network": round(float(np.median(np.array(step) / np.array(network))), 3),
        "p99_over_p50": round(step_ms["p99"] / step_ms["p50"], 2),
    }


THREADS = {"read": ("read",), "network": ("depth", "prepare", "backbone"), "write": ("write",),
           "masks": ("flow", "follow", "cluster", "objects", "upsample")}  # fmt: skip
"""Thread -> the stages that it runs one after the other. The network has one thread per inference stream."""


def figures(statistics: Statistics, streams: int = 1) -> dict[str, Any]:
    """Return the figures of a whole stream. streams: number of inference streams.

    busy_ms: time per frame of each thread. wall_over_busiest: wall time per frame, divided by that of the busiest
    thread; 1 if the other threads run completely beside it. compute_ms: time per frame of network and masks.
    """
    wall = 1e3 * statistics.seconds / max(1, statistics.processed)
    per_frame = {stage: sum(times) / max(1, statistics.processed) for stage, times in statistics.stage_ms.items()}
    busy = {name: sum(per_frame.get(stage, 0.0) for stage in stages) for name, stages in THREADS.items()}
    busy["network"] /= streams
    return {
        "frames": statistics.processed,
        "key_frames": statistics.key_frames,
        "fps": round(statistics.fps, 3),
        "latency_ms": percentiles(statistics.latency_ms),
        "stage_ms": {stage: percentiles(times) for stage, times in statistics.stage_ms.items()},
        "busy_ms": {name: round(value, 2) for name, value in busy.items()},
        "wall_over_busiest": round(wall / max(busy.values()), 3),
        "compute_ms": round(busy["network"] * streams + busy["masks"], 2),
    }


class Monitor:
    """Samples time, processor time, memory and open files of this process during a stream."""

    def __init__(self) -> None:
        self.times, self.memory, self.files = array("d"), array("d"), array("d")

    def start(self) -> None:
        self.cpu = time.process_time()

    def frame_done(self, statistics: Statistics) -> None:
        """Take a sample after a frame; memory and files are sampled at every tenth frame."""
        self.times.append(time.perf_counter())
        if len(self.times) % 10 == 1:
            self.memory.append(resident_mib())
            self.files.append(open_files())

    def figures(self, statistics: Statistics) -> dict[str, Any]:
        """Return cpu_ms_per_frame, peak_mib of the process (None if the system does not report it), the growth of
        memory, the largest number of open files in the second and in the last tenth of the frames, and the `pace`."""
        cpu = 1e3 * (time.process_time() - self.cpu) / max(1, statistics.processed)
        peak, tenth = peak_mib(), len(self.files) // 10
        return {
            "cpu_ms_per_frame": round(cpu, 2),
            "peak_mib": peak and round(peak, 1),
            "memory": memory_figures(np.array(self.memory), every=10),
            "open_files": {
                "early": int(max(self.files[tenth : 2 * tenth + 1])),
                "late": int(max(self.files[-tenth - 1 :])),
            },
            "pace": pace(np.array(self.times)),
        }


def pace(times: np.ndarray) -> dict[str, float] | None:
    """Return the frames/s over the first and over the last 1000 frames (below 2500 frames: the first and last 40 %),
    and their ratio; None for fewer than 20 frames. times: when each frame was done [s]."""
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
