"""Do what `streamseg run` does: open a source, a network and sinks, segment all frames, and write a manifest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamseg.backbones.placement import place_of_labels
from streamseg.config import RunConfig
from streamseg.errors import SourceError
from streamseg.runtime import manifest
from streamseg.runtime.folder import OutputFolder, open_folder
from streamseg.runtime.frames import latency_note
from streamseg.runtime.repeat import settings_of
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.session import Session, open_session
from streamseg.runtime.signals import interruptible
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, Sink, check_sink, open_sink, open_viewer
from streamseg.sources import LiveSource, Recording
from streamseg.text import without_secrets
from streamseg.text.asking import log_line

Log = Callable[[str], None]
STATUS = {"": "done", "interrupt": "interrupted", "user": "stopped"}
"""From `Statistics.stopped` to the status in run.json."""
STREAMED = ("every", "max_frames", "batch", "policy", "max_latency")
"""Fields of `RunConfig` that `stream` takes."""


def run(
    job: RunConfig,
    *,
    log: Log | None = None,
    begin: Callable[[int | None], None] | None = None,
    progress: Callable[[Statistics], None] | None = None,
    segmenter: Segmenter | None = None,
    source: Recording | LiveSource | None = None,
    others: Sequence[Sink] = (),
) -> dict[str, object]:
    """Do `job` and return its manifest, which is also written to the output folder as run.json.

    log: called with one line of text for each note. begin: called with the number of frames (None = unknown) when
    everything is ready. progress: called after each frame. segmenter, source: used instead of opening new ones, see
    `open_session`. others: further sinks, which write no files.
    Raises StreamsegError; even then all files are closed properly, and the manifest holds the status and the counts.
    """
    notes: list[str] = []

    def note(line: str) -> None:
        if line not in notes:
            notes.append(line)
            if log:
                log(line)

    outputs = [check_sink(name) for name in job.save]
    with ExitStack() as stack, ExitStack() as output:  # the folder is free before viewers and networks are closed
        folder = None
        if job.output is not None:  # before anything else, so that a second run into it ends at once
            folder = output.enter_context(open_folder(job.output, job.overwrite, job.source, outputs))
        session = stack.enter_context(open_session(job, note, segmenter=segmenter, source=source))
        # viewers open before the network is built, so that a missing display is reported at once
        about = replace(_run_of(job, session.source, note), port=job.port, control=session.segmenter)
        viewers = list(others)
        viewers += [stack.enter_context(open_viewer(name, about)) for name in job.view]
        viewers += [stack.enter_context(open_sink("window", Path(), about))] if job.show else []
        if line := latency_note(session.source, job.max_latency):
            note(line)
        session.prepare()
        interrupted = stack.enter_context(interruptible())  # from here on a signal does not prevent closing the files
        if folder:
            folder.begin()
        content = _begin_manifest(job, session, folder, notes)
        return _stream(job, session, content, folder, viewers, interrupted, note, begin, progress)


def _begin_manifest(job: RunConfig, session: Session, folder: OutputFolder | None, notes: list[str]) -> dict[str, Any]:
    """Return what is known before the first frame, and write it to run.json."""
    source = session.source
    content: dict[str, Any] = {
        "status": "running",
        "source": {
            "uri": without_secrets(source.uri),
            "kind": source.kind,
            "depth_units_per_metre": source.depth_scale,
            "depth_scale_from": source.depth_scale_origin or None,
        },
        "output": str(folder.path) if folder else None,
        "settings": settings_of(job),
        "versions": manifest.versions(),
        "notes": notes,
    }
    if folder:
        manifest.write(folder.path, content)
    return content


def _stream(
    job: RunConfig,
    session: Session,
    content: dict[str, Any],
    folder: OutputFolder | None,
    viewers: list[Sink],
    interrupted: threading.Event,
    note: Log,
    begin: Callable[[int | None], None] | None,
    progress: Callable[[Statistics], None] | None,
) -> dict[str, object]:
    """Segment all frames into the sinks, and complete the manifest `content`."""
    source, segmenter, statistics = session.source, session.segmenter, Statistics()
    options: dict[str, Any] = {name: getattr(job, name) for name in STREAMED}
    try:
        with ExitStack() as closing:
            about = _run_of(job, source, note, folder)
            sinks = [closing.enter_context(open_sink(name, folder.path, about)) for name in job.save] if folder else []
            if begin:
                begin(_expected(source, job))
            stream(
                source,
                segmenter,
                [*sinks, *viewers],
                progress=progress,
                statistics=statistics,
                interrupted=interrupted,
                **options,
            )
        for text in segmenter.notes:
            note(log_line(text))
        lost = getattr(source, "lost", False) and not statistics.stopped
        content["status"] = "lost" if lost else STATUS[statistics.stopped]
    except BaseException as problem:
        content["status"] = f"failed: {problem}"
        raise
    finally:
        backbones = [manifest.describe_backbone(b, place_of_labels(job, b)) for b in segmenter.extractor.backbones]
        content |= {"model": backbones[0] if len(backbones) == 1 else backbones, "masks": job.mask_kind}
        content |= manifest.describe_statistics(statistics) | {
            "k": segmenter.k_history,
            "scene_cuts": segmenter.scene_cuts,
        }
        if folder:
            content["written"] = folder.written
            manifest.write(folder.path, content, best_effort=str(content["status"]).startswith("failed"))
    if not statistics.processed and content["status"] == "done":
        raise SourceError(f"no frame of {source.uri!r} could be used", _reasons(statistics))
    return content


def _run_of(job: RunConfig, source: Recording | LiveSource, log: Log, folder: OutputFolder | None = None) -> Run:
    """Return the description of the run for a sink. folder: where it may write files; None for a viewer."""
    title, fps = without_secrets(source.uri), max(1.0, source.fps / job.every)
    claim = folder.claim if folder else None
    return Run(
        title,
        fps,
        job.alpha,
        job.mask_kind,
        claim,
        source_kind=source.kind,
        pixel_aspect=source.pixel_aspect,
        log=log,
    )


def _expected(source: Recording | LiveSource, job: RunConfig) -> int | None:
    """Return the number of frames to come; None if it is unknown."""
    if isinstance(source, LiveSource):
        return job.max_frames
    return len(source.coming(job.every, job.max_frames))


def _reasons(statistics: Statistics) -> str:
    return "; ".join(sorted({skip.reason for skip in statistics.skipped})) or "it ended before its first frame"
