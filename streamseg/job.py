"""The main job: open a source, a backbone and sinks, stream, and leave a manifest, whatever happens."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from streamseg import manifest
from streamseg.backbones import Backbone, Spec, describe, open_backbone
from streamseg.errors import FrameError, OutputError, SourceError
from streamseg.modes import Settings
from streamseg.pipeline import Pipeline, input_size
from streamseg.report import Report
from streamseg.sinks import Run, Sink, open_sink, outputs
from streamseg.sources import LiveSource, Options, Recording, open_source
from streamseg.stream import stream


@dataclass(frozen=True)
class Job:
    """Everything `streamseg run` was asked for; the fields are its flags. size: shorter side, or (H, W)."""

    source: str
    output: Path | None = None
    save: tuple[str, ...] = ("overlay", "labels")
    show: bool = False
    spec: Spec = field(default_factory=lambda: Spec("efficientnet_lite0"))
    size: int | tuple[int, int] = 384
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    settings: Settings = field(default_factory=Settings)
    options: Options = field(default_factory=Options)
    every: int = 1
    max_frames: int | None = None
    alpha: float = 0.5
    overwrite: bool = False


def run(
    job: Job,
    *,
    log: Callable[[str], None] | None = None,
    begin: Callable[[int | None], None] | None = None,
    progress: Callable[[Report], None] | None = None,
) -> dict[str, object]:
    """Do `job` and return its manifest, which also lies in the output folder as run.json.

    log: takes one line a time about what is used. begin: called with the number of frames to come (None = unknown)
    when everything is ready. progress: called after each frame. Raises StreamsegError; what was written by then is
    closed properly and the manifest says how far it got.
    """
    log = log or (lambda line: None)
    with ExitStack() as stack:
        stack.enter_context(_single_threaded_algebra())
        source = stack.enter_context(open_source(job.source, job.options))
        shape = describe(job.spec)

        def choose_size(frame_size: tuple[int, int]) -> tuple[int, int]:
            return shape.size or input_size(frame_size, job.size, shape.multiple)

        def backbone_for(size: tuple[int, int]) -> Backbone:
            return open_backbone(job.spec, size, engine=job.engine, device=job.device, precision=job.precision, log=log)

        # before the network: a missing display shall be told at once
        window = [stack.enter_context(open_sink("window", Path(), _run_of(job, source)))] if job.show else []
        pipeline = Pipeline(backbone_for, choose_size, job.settings)
        stack.callback(pipeline.close)
        if isinstance(source, Recording):  # engines are built before the clock runs
            pipeline.warm_up(_first_frame_size(source))
        elif fixed := shape.size or (job.size if isinstance(job.size, tuple) else None):
            pipeline.warm_up(fixed)  # a camera's frames come later, and do not change this size
        folder = _prepare_folder(job)
        return _stream(job, source, pipeline, window, folder, begin, progress)


def _stream(
    job: Job,
    source: Recording | LiveSource,
    pipeline: Pipeline,
    window: list[Sink],
    folder: Path | None,
    begin: Callable[[int | None], None] | None,
    progress: Callable[[Report], None] | None,
) -> dict[str, object]:
    content: dict[str, object] = {
        "status": "running",
        "source": {"uri": source.uri, "kind": source.kind},
        "output": str(folder) if folder else None,
        "settings": asdict(job.settings) | {"every": job.every, "size": job.size},
        "versions": manifest.versions(),
    }
    if folder:
        manifest.write(folder, content)
    report = Report()
    try:
        with ExitStack() as closing:
            names = job.save if folder else ()
            files = [closing.enter_context(open_sink(name, folder or Path(), _run_of(job, source))) for name in names]
            sinks = [*files, *window]
            if begin:
                begin(_expected(source, job))
            stream(
                source, pipeline, sinks, every=job.every, max_frames=job.max_frames, progress=progress, report=report
            )
        content["status"] = {"": "done", "interrupt": "interrupted", "user": "stopped"}[report.stopped]
    except BaseException as problem:
        content["status"] = f"failed: {problem}"
        raise
    finally:
        backbones = [manifest.describe_backbone(backbone) for backbone in pipeline.backbones]
        content |= {"model": backbones[0] if len(backbones) == 1 else backbones}
        content |= manifest.describe_report(report) | {"k": pipeline.k_history}
        if folder:
            manifest.write(folder, content, best_effort=str(content["status"]).startswith("failed"))
    if not report.processed and not report.stopped:
        raise SourceError(f"no frame of {source.uri!r} could be used", _reasons(report))
    return content


def _single_threaded_algebra() -> AbstractContextManager[object]:
    """One thread for BLAS: on a few hundred cells more of them take longer, and the cores belong to the network."""
    import faiss  # noqa: F401 (brings a BLAS of its own; only what is loaded can be limited)
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def _first_frame_size(source: Recording) -> tuple[int, int]:
    """(H, W) of the first frame that can be read."""
    reason = "it is empty"
    for index in range(len(source)):
        try:
            height, width = source[index].rgb.shape[:2]
            return height, width
        except FrameError as problem:
            reason = str(problem)
    raise SourceError(
        f"none of the {len(source)} frames of {source.uri!r} can be read ({reason})",
        "check the files, or copy the recording again",
    )


def _run_of(job: Job, source: Recording | LiveSource) -> Run:
    return Run(title=source.uri, fps=max(1.0, source.fps / job.every), alpha=job.alpha)


def _expected(source: Recording | LiveSource, job: Job) -> int | None:
    if isinstance(source, LiveSource):
        return job.max_frames
    frames = -(-len(source) // job.every)
    return min(frames, job.max_frames) if job.max_frames else frames


def _reasons(report: Report) -> str:
    return "; ".join(sorted({skip.reason for skip in report.skipped})) or "it ended before its first frame"


def _prepare_folder(job: Job) -> Path | None:
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
