"""`streamseg batch`: segments many recordings into one output, with an index."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from streamseg.backbones import describe, machine
from streamseg.cluster import remote
from streamseg.cluster.driver import Driver
from streamseg.cluster.naming import folder_names
from streamseg.cluster.pools import Pool, processes, ray_actors
from streamseg.cluster.stores import Store, open_store
from streamseg.cluster.task import Task, output_settings
from streamseg.config import RunConfig
from streamseg.errors import OutputError
from streamseg.runtime import manifest
from streamseg.runtime.index import Entry
from streamseg.runtime.memory import free_bytes
from streamseg.runtime.stream import interruptible
from streamseg.sources import expansion

MEMORY = 1 << 30
"""Bytes reserved for a worker; about 600 MB were measured."""
INDEX_SECONDS = 10.0
"""Seconds between two updates of index.jsonl during a batch."""


@dataclass(frozen=True)
class Request:
    """The settings of a batch.

    sources: recordings, folders of recordings, patterns, lists or URLs. output: a folder or a URL. job: the settings of
    each recording, without its source and output. workers: 0 = as many as cores and memory allow. address: of a Ray
    cluster, "" = this machine. shard: (i, n) = every n-th recording, beginning with number i.

    retries: number of workers that a recording may kill before it is given up. timeout: seconds for a recording, 0 =
    no limit. overwrite: replace results of other settings. again: also try recordings that were given up before.
    """

    sources: tuple[str, ...]
    output: str
    job: RunConfig
    workers: int = 0
    address: str = ""
    shard: tuple[int, int] = (0, 1)
    retries: int = 3
    timeout: float = 0.0
    overwrite: bool = False
    again: bool = False


@dataclass
class Progress:
    """The progress of a batch. total: number of recordings. entries: of the recordings that are finished, by name.
    fresh: number of recordings that this run has finished. frames: number of their frames. began: `time.monotonic()`
    [s]."""

    total: int
    entries: dict[str, Entry] = field(default_factory=dict)
    fresh: int = 0
    frames: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began


def run(
    request: Request, log: Callable[[str], None], progress: Callable[[Progress, Entry | None], None]
) -> dict[str, Any]:
    """Run the batch and return its summary, which is also written to the output.

    log: takes one line per call. progress: called with None when the work begins, and with the entry of each recording
    that is finished. Raises StreamsegError for an error that concerns all recordings; others are in the entries.
    """
    describe(request.job.extractor.spec)
    store = open_store(request.output)
    tasks = plan(request, log)
    settings = output_settings(request.job)
    store.remove_left_over()
    state = Progress(len(tasks))
    waiting = _unfinished(request, store, tasks, settings, state)
    recorder = _Recorder(store, state, progress)
    progress(state, None)
    stopped = False
    if waiting:
        find_done = partial(_find_done, request, store, settings)
        with open_pool(request, len(waiting), log) as pool, interruptible() as interrupted:
            driver = Driver(pool, request.retries, request.timeout, recorder.record, find_done, store.in_progress)
            driver.run(waiting, interrupted.is_set)
            stopped = interrupted.is_set()
    store.remove_left_over()
    entries = store.all_entries()
    store.write_index(entries)
    content = _summary(request, state, entries, "interrupted" if stopped else "done")
    store.write_summary(content)
    return content


def plan(request: Request, log: Callable[[str], None]) -> list[Task]:
    """Return one task for each recording of this shard, and log what is left out of folders. Raises SourceError."""
    left_out: expansion.LeftOut = {}
    uris: dict[str, None] = {}
    for name in request.sources:
        uris |= dict.fromkeys(remote.expand(name) if remote.is_url(name) else expansion.expand([name], left_out))
    for folder, text in expansion.unnamed(left_out, uris).items():
        log(f"note: left out of {folder}: {text}")
    i, n = request.shard
    output = request.output if remote.is_url(request.output) else os.path.abspath(request.output)
    tasks = [
        Task(name, replace(request.job, source=uri), output, request.overwrite)
        for name, uri in zip(folder_names(list(uris)), uris, strict=True)
    ]
    return tasks[i::n]


def _unfinished(
    request: Request, store: Store, tasks: Sequence[Task], settings: dict[str, Any], state: Progress
) -> list[Task]:
    """Return the tasks to run. The entries of those that are done, or were given up, are put into `state`.

    Raises OutputError if the output holds something else under the name of a task, unless it may be overwritten.
    """
    failures = {} if request.again else store.failures()
    given_up = {name: entry for name, entry in failures.items() if entry.status == "aside"}
    waiting, refused = [], []
    for task in tasks:
        try:
            entry = store.find_done(task.name, task.job.source, settings)
        except OutputError as problem:
            entry = None
            if not request.overwrite:
                refused.append(problem)
        entry = entry or given_up.get(task.name)
        if entry is None:
            waiting.append(task)
        else:
            state.entries[task.name] = entry
    if refused:
        more = f" (and {len(refused) - 1} more like it)" if len(refused) > 1 else ""
        raise OutputError(refused[0].message + more, refused[0].hint)
    return waiting


def _find_done(request: Request, store: Store, settings: dict[str, Any], task: Task) -> Entry | None:
    """Return the entry of a task that another driver has done meanwhile, or of one that its output refuses; None if the
    task is to be done."""
    if request.overwrite:
        return None
    try:
        return store.find_done(task.name, task.job.source, settings)
    except OutputError as problem:
        return task.entry("failed", error=problem.message, hint=problem.hint)


class _Recorder:
    """Records the entries of finished recordings: failures at once, the index every INDEX_SECONDS."""

    def __init__(self, store: Store, state: Progress, progress: Callable[[Progress, Entry | None], None]) -> None:
        self.store, self.state, self.progress = store, state, progress
        self.index_written = time.monotonic()

    def record(self, entry: Entry) -> None:
        """Record the entry of one recording."""
        state = self.state
        state.entries[entry.name] = entry
        state.fresh += 1
        state.frames += entry.frames
        if entry.status == "done":
            self.store.forget_failure(entry.name)
        else:
            self.store.note_failure(entry)
        self.progress(state, entry)
        if time.monotonic() - self.index_written > INDEX_SECONDS:
            self.store.write_index(state.entries[name] for name in sorted(state.entries))
            self.index_written = time.monotonic()


def open_pool(request: Request, tasks: int, log: Callable[[str], None]) -> Pool:
    """Open the workers: actors of Ray, or a process for a single worker. Raises StreamsegError.

    A shard without --workers has one worker, because Slurm runs the shards beside each other.
    """
    gpu = request.job.extractor.device != "cpu"
    if request.address:
        threads = machine.threads() or 1
        return ray_actors.RayPool(request.address, min(request.workers, tasks), threads, gpu)
    cores = machine.cores()
    single = request.shard[1] > 1 and not request.workers
    if not request.workers and not single and not ray_actors.installed():
        log("note: one worker, because Ray is not installed; for more: pip install 'streamseg[cluster]'")
        single = True
    count = 1 if single else min(request.workers or min(cores, _workers_in_memory()), tasks)
    threads = machine.threads() or max(1, cores // count)
    log(f"{count} worker{'s' if count > 1 else ''} of {threads} thread{'s' if threads > 1 else ''}")
    if count == 1:
        return processes.ProcessPool(1, threads)
    return ray_actors.RayPool("", count, threads, gpu)


def _workers_in_memory() -> int:
    """Return how many workers fit into the free memory; a large number if that is unknown."""
    free = free_bytes()
    return 1 << 10 if free is None else max(1, free // MEMORY)


def _summary(request: Request, state: Progress, entries: Sequence[Entry], status: str) -> dict[str, Any]:
    """Return the summary of all recordings in the output, `entries`, and of this run."""
    of_run = state.entries.values()
    counts, counts_of_run = (Counter(entry.status for entry in some) for some in (entries, of_run))
    done = [entry for entry in entries if entry.status == "done"]
    return {
        "status": status,
        "output": request.output,
        "recordings": len(entries),
        **{name: counts[name] for name in ("done", "failed", "aside")},
        "frames": sum(entry.frames for entry in done),
        "worker_seconds": round(sum(entry.seconds for entry in entries), 3),
        "this_run": {
            "recordings": state.total,
            "before": len(state.entries) - state.fresh,
            "left": state.total - len(state.entries),
            **{name: counts_of_run[name] for name in ("done", "failed", "aside")},
            "frames": state.frames,
            "seconds": round(state.seconds, 3),
            "fps": round(state.frames / max(state.seconds, 1e-9), 2),
            "shard": f"{request.shard[0]}/{request.shard[1]}",
            "problems": [
                {"name": entry.name, "source": entry.source, "status": entry.status, "error": entry.error}
                for entry in of_run
                if entry.status != "done"
            ],
            "to_do": [{"name": e.name, "source": e.source, "request": text} for e in of_run for text in e.to_do],
        },
        "settings": output_settings(request.job),
        "versions": manifest.versions(),
    }
