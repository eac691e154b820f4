"""A worker: opens its networks once and does one recording after another. It returns what became of each; only what
kills the process, and the driver's timeout, end it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.cluster.remote import fetched, is_url, upload
from streamseg.cluster.results import Results, entry_of
from streamseg.cluster.task import Task, here, made_with
from streamseg.config import RunConfig
from streamseg.errors import StreamsegError
from streamseg.frame import Frame, Segmentation
from streamseg.runtime import job, manifest
from streamseg.runtime.index import Entry
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.session import open_segmenter
from streamseg.sinks import Sink


class Ids(Sink):
    """Counts the ids of the masks that sinks take."""

    def __init__(self, kind: str) -> None:
        self.kind, self.seen = kind, np.zeros(256, bool)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.seen |= np.bincount(segmentation.mask(self.kind).ravel(), minlength=256)[:256] > 0

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def count(self) -> int:
        """How many ids, without background and void."""
        return int(self.seen[1:255].sum())


class Worker:
    """threads: how many cores it may use."""

    def __init__(self, threads: int = 1) -> None:
        _limit(threads)
        self.stack = ExitStack()
        self.segmenter: Segmenter | None = None
        self.spool: Path | None = None
        self.name = f"{here()}:{os.getpid()}"

    def do(self, task: Task) -> Entry:
        """Segment one recording into its folder, which then is there whole; every error becomes the entry's."""
        began = time.perf_counter()
        try:
            return self._done(task, began)
        except StreamsegError as problem:
            said = {"error": problem.message, "hint": problem.hint}
        except OSError as problem:
            said = {"error": str(problem), "hint": "check the path, its permissions and the space on the disk"}
        except MemoryError:
            said = {"error": "there is not enough memory", "hint": "use fewer --workers, or a smaller --size"}
        except Exception as problem:  # a broken recording must not stop the others, however it is broken
            said = {"error": f"unexpected {type(problem).__name__}: {problem}", "hint": "try it with: streamseg run"}
        return task.entry("failed", worker=self.name, seconds=round(time.perf_counter() - began, 3), **said)

    def close(self) -> None:
        """Release the networks."""
        self.stack.close()

    def _done(self, task: Task, began: float) -> Entry:
        results = Results(self._spool() if is_url(task.output) else Path(task.output))
        made = results.construction(task.name)
        watch = Ids(task.job.mask_kind)
        try:
            with fetched(task.job.source) as source:
                wish = replace(task.job, source=source, output=made)
                content = job.run(wish, segmenter=self._networks(wish), others=[watch])
            if content["status"] != "done":
                raise StreamsegError(f"it was {content['status']}", "run the batch again")
            self._describe(content, task, watch.count, time.perf_counter() - began)
            manifest.write(made, content)
            if is_url(task.output):
                upload(made, f"{task.output.rstrip('/')}/{task.name}")
            else:
                results.publish(made, task.name, task.overwrite)
            return entry_of(task.name, task.job.source, content)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _describe(self, content: dict[str, Any], task: Task, ids: int, seconds: float) -> None:
        """Complete run.json: as if the run had written there at once, and what only a batch knows."""
        content["output"] = f"{task.output.rstrip('/')}/{task.name}"
        content["settings"] = {**content["settings"], "source": task.job.source}
        content["batch"] = {
            "source": task.job.source,
            "files": made_with(task.job)["files"],
            "ids": ids,
            "worker": self.name,
            "memory_mb": _peak_memory(),
            "attempts": task.attempt,
            "seconds": round(seconds, 3),
        }

    def _spool(self) -> Path:
        """A folder of this machine for results on their way to a store."""
        if self.spool is None:
            self.spool = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="streamseg-")))
        return self.spool

    def _networks(self, wish: RunConfig) -> Segmenter:
        if self.segmenter is None:
            self.segmenter = self.stack.enter_context(open_segmenter(wish))
        return self.segmenter


def _peak_memory() -> int:
    """Of this process, in MB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _limit(threads: int) -> None:
    """Workers share a machine: a library that takes all of its cores takes them from the others."""
    os.environ["STREAMSEG_THREADS"] = str(threads)
    import cv2
    import faiss

    cv2.setNumThreads(threads)
    faiss.omp_set_num_threads(threads)
