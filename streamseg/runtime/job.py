"""The main job: open a source, a backbone and sinks, stream, and leave a manifest, whatever happens."""

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
from streamseg.runtime.frames import held_back
from streamseg.runtime.repeat import settings_of
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.session import Session, open_session
from streamseg.runtime.signals import interruptible
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, Sink, open_sink, open_viewer
from streamseg.sources import LiveSource, Recording
from streamseg.text import without_secrets
from streamseg.text.asking import line_of

Log = Callable[[str], None]
STATUS = {"": "done", "interrupt": "interrupted", "user": "stopped"}
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
    """Do `job` and return its manifest, which also lies in the output folder as run.json.

    log: takes one line a time about what is used. begin: called with the number of frames to come (None = unknown)
    when everything is ready. progress: called after each frame. segmenter: one of an earlier job whose networks are
    used again; source: one that is open already; for both see `open_session`. others: sinks that write no files.
    Raises StreamsegError; what was written by then is closed properly and the manifest says how far it got.
    """
    notes: list[str] = []

    def note(line: str) -> None:
        if line not in notes:
            notes.append(line)
            if log:
                log(line)

    with ExitStack() as stack:
        session = stack.enter_context(open_session(job, note, segmenter=segmenter, source=source))
        # before the network: a missing display shall be told at once
        about = replace(_run_of(job, session.source, note), port=job.port, control=session.segmenter)
        watching = list(others)
        watching += [stack.enter_context(open_viewer(name, about)) for name in job.view]
        watching += [stack.enter_context(open_sink("window", Path(), about))] if job.show else []
        if idle := held_back(session.source, job.max_latency):
            note(idle)
        session.prepare()
        interrupted = stack.enter_context(interruptible())  # from here on every file is finished, whatever comes
        folder = None
        if job.output is not None:
            folder = stack.enter_context(open_folder(job.output, job.overwrite, job.source))
        content = _opening(job, session, folder, notes)
        return _streamed(job, session, content, folder, watching, interrupted, note, begin, progress)


def _opening(job: RunConfig, session: Session, folder: OutputFolder | None, notes: list[str]) -> dict[str, Any]:
    """What run.json says before the first frame."""
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


def _streamed(
    job: RunConfig,
    session: Session,
    content: dict[str, Any],
    folder: OutputFolder | None,
    watching: list[Sink],
    interrupted: threading.Event,
    note: Log,
    begin: Callable[[int | None], None] | None,
    progress: Callable[[Statistics], None] | None,
) -> dict[str, object]:
    """Stream, and complete the manifest `content`."""
    source, segmenter, report = session.source, session.segmenter, Statistics()
    options: dict[str, Any] = {name: getattr(job, name) for name in STREAMED}
    try:
        with ExitStack() as closing:
            about = _run_of(job, source, note, folder)
            names = job.save if folder else ()
            where = folder.path if folder else Path()
            files = [closing.enter_context(open_sink(name, where, about)) for name in names]
            if begin:
                begin(_expected(source, job))
            stream(
                source,
                segmenter,
                [*files, *watching],
                progress=progress,
                report=report,
                interrupted=interrupted,
                **options,
            )
        for one in segmenter.notes:
            note(line_of(one))
        lost = getattr(source, "lost", False) and not report.stopped
        content["status"] = "lost" if lost else STATUS[report.stopped]
    except BaseException as problem:
        content["status"] = f"failed: {problem}"
        raise
    finally:
        backbones = [manifest.describe_backbone(b, place_of_labels(job, b)) for b in segmenter.extractor.backbones]
        content |= {"model": backbones[0] if len(backbones) == 1 else backbones, "masks": job.mask_kind}
        content |= manifest.describe_report(report) | {"k": segmenter.k_history, "scene_cuts": segmenter.scene_cuts}
        if folder:
            content["written"] = folder.written
            manifest.write(folder.path, content, best_effort=str(content["status"]).startswith("failed"))
    if not report.processed and content["status"] == "done":
        raise SourceError(f"no frame of {source.uri!r} could be used", _reasons(report))
    return content


def _run_of(job: RunConfig, source: Recording | LiveSource, log: Log, folder: OutputFolder | None = None) -> Run:
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
    if isinstance(source, LiveSource):
        return job.max_frames
    return len(source.coming(job.every, job.max_frames))


def _reasons(report: Statistics) -> str:
    return "; ".join(sorted({skip.reason for skip in report.skipped})) or "it ended before its first frame"
