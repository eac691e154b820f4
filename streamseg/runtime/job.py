"""The main job: open a source, a backbone and sinks, stream, and leave a manifest, whatever happens."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from streamseg.backbones.placement import place_of_labels
from streamseg.config import RunConfig
from streamseg.errors import OutputError, SourceError
from streamseg.runtime import manifest
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.session import open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Run, Sink, open_sink, outputs
from streamseg.sources import LiveSource, Recording


def run(
    job: RunConfig,
    *,
    log: Callable[[str], None] | None = None,
    begin: Callable[[int | None], None] | None = None,
    progress: Callable[[Statistics], None] | None = None,
) -> dict[str, object]:
    """Do `job` and return its manifest, which also lies in the output folder as run.json.

    log: takes one line a time about what is used. begin: called with the number of frames to come (None = unknown)
    when everything is ready. progress: called after each frame. Raises StreamsegError; what was written by then is
    closed properly and the manifest says how far it got.
    """
    with ExitStack() as stack:
        session = stack.enter_context(open_session(job, log))
        # before the network: a missing display shall be told at once
        window = [stack.enter_context(open_sink("window", Path(), _run_of(job, session.source)))] if job.show else []
        session.warm_up(job.batch)
        folder = _prepare_folder(job)
        return _stream(job, session.source, session.segmenter, window, folder, begin, progress)


def _stream(
    job: RunConfig,
    source: Recording | LiveSource,
    segmenter: Segmenter,
    window: list[Sink],
    folder: Path | None,
    begin: Callable[[int | None], None] | None,
    progress: Callable[[Statistics], None] | None,
) -> dict[str, object]:
    content: dict[str, object] = {
        "status": "running",
        "source": {"uri": source.uri, "kind": source.kind},
        "output": str(folder) if folder else None,
        "settings": settings_of(job),
        "versions": manifest.versions(),
    }
    if folder:
        manifest.write(folder, content)
    report = Statistics()
    try:
        with ExitStack() as closing:
            names = job.save if folder else ()
            files = [closing.enter_context(open_sink(name, folder or Path(), _run_of(job, source))) for name in names]
            sinks = [*files, *window]
            if begin:
                begin(_expected(source, job))
            stream(
                source,
                segmenter,
                sinks,
                every=job.every,
                max_frames=job.max_frames,
                batch=job.batch,
                policy=job.policy,
                progress=progress,
                report=report,
            )
        content["status"] = {"": "done", "interrupt": "interrupted", "user": "stopped"}[report.stopped]
    except BaseException as problem:
        content["status"] = f"failed: {problem}"
        raise
    finally:
        backbones = [manifest.describe_backbone(b, place_of_labels(job, b)) for b in segmenter.extractor.backbones]
        content |= {"model": backbones[0] if len(backbones) == 1 else backbones}
        content |= manifest.describe_report(report) | {"k": segmenter.k_history}
        if folder:
            manifest.write(folder, content, best_effort=str(content["status"]).startswith("failed"))
    if not report.processed and not report.stopped:
        raise SourceError(f"no frame of {source.uri!r} could be used", _reasons(report))
    return content


def settings_of(job: RunConfig) -> dict[str, object]:
    """Every setting, by part, as run.json holds it."""
    return {name: asdict(getattr(job, name)) for name in ("extractor", "clustering", "objects", "options")} | {
        "every": job.every
    }


def _run_of(job: RunConfig, source: Recording | LiveSource) -> Run:
    return Run(title=source.uri, fps=max(1.0, source.fps / job.every), alpha=job.alpha)


def _expected(source: Recording | LiveSource, job: RunConfig) -> int | None:
    if isinstance(source, LiveSource):
        return job.max_frames
    return len(source.coming(job.every, job.max_frames))


def _reasons(report: Statistics) -> str:
    return "; ".join(sorted({skip.reason for skip in report.skipped})) or "it ended before its first frame"


def _prepare_folder(job: RunConfig) -> Path | None:
    """Make the output folder. One that holds a run is refused, or emptied of that run's files when told to."""
    folder = job.output
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / manifest.NAME).exists():
            if not job.overwrite:
                raise OutputError(f"{str(folder)!r} already holds a run", "choose another -o, or add --overwrite")
            _remove_run(folder)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise OutputError(f"cannot write into {str(folder)!r}: {problem.strerror}", "choose another -o") from problem
    return folder


def _remove_run(folder: Path) -> None:
    """Remove what earlier runs wrote, by name; anything else in the folder is not ours."""
    for name in (manifest.NAME, *outputs()):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name, ignore_errors=True)
        else:
            (folder / name).unlink(missing_ok=True)
