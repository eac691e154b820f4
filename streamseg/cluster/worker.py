"""A worker: opens its networks once, segments one recording after the other, and returns an entry for each.

Only the death of its process and the driver's timeout end it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.cluster.remote import fetched, is_url, upload
from streamseg.cluster.results import Results, entry_of
from streamseg.cluster.task import Task, bytes_of, digest_of, host_name, output_settings
from streamseg.config import RunConfig
from streamseg.errors import StreamsegError
from streamseg.frame import Frame, Segmentation
from streamseg.runtime import job, manifest
from streamseg.runtime.index import Entry
from streamseg.runtime.memory import peak_mib
from streamseg.runtime.segmenter import Segmenter
from streamseg.runtime.session import open_segmenter
from streamseg.sinks import Sink


class Ids(Sink):
    """Counts the ids in the masks of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind, self.seen = kind, np.zeros(256, bool)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.seen |= np.bincount(segmentation.mask(self.kind).ravel(), minlength=256)[:256] > 0

    def close(self) -> None:
        """Do nothing."""

    @property
    def count(self) -> int:
        """The number of ids, without background and void."""
        return int(self.seen[1:255].sum())


class Worker:
    """Segments recordings. threads: number of cores that it may use."""

    def __init__(self, threads: int = 1) -> None:
        _limit_threads(threads)
        self.stack = ExitStack()
        self.segmenter: Segmenter | None = None
        self.upload_folder: Path | None = None
        self.name = f"{host_name()}:{os.getpid()}"

    def do(self, task: Task) -> Entry:
        """Segment one recording, and return its entry; an error is reported in the entry, and never raised."""
        began = time.perf_counter()
        try:
            return self._segment(task, began)
        except StreamsegError as problem:
            reason = {"error": problem.message, "hint": problem.hint}
        except OSError as problem:
            reason = {"error": str(problem), "hint": "check the path, its permissions and the space on the disk"}
        except MemoryError:
            reason = {"error": "there is not enough memory", "hint": "use fewer --workers, or a smaller --size"}
        except Exception as problem:  # an unexpected error in one recording must not stop the others
            reason = {"error": f"unexpected {type(problem).__name__}: {problem}", "hint": "try it with: streamseg run"}
        return task.entry("failed", worker=self.name, seconds=round(time.perf_counter() - began, 3), **reason)

    def close(self) -> None:
        """Release the networks."""
        self.stack.close()

    def _segment(self, task: Task, began: float) -> Entry:
        results = Results(self._upload_folder() if is_url(task.output) else Path(task.output))
        folder = results.work_folder(task.name)
        ids = Ids(task.job.mask_kind)
        try:
            with fetched(task.job.source) as source:
                config = replace(task.job, source=source, output=folder)
                content = job.run(config, segmenter=self._open_segmenter(config), others=[ids])
            if content["status"] != "done":
                raise StreamsegError(f"it was {content['status']}", "run the batch again")
            self._complete(content, task, ids.count, time.perf_counter() - began)
            manifest.write(folder, content)
            if is_url(task.output):
                upload(folder, f"{task.output.rstrip('/')}/{task.name}")
            else:
                results.publish(folder, task.name, task.overwrite)
            return entry_of(task.name, task.job.source, content)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _complete(self, content: dict[str, Any], task: Task, ids: int, seconds: float) -> None:
        """Replace the temporary paths in a run.json, `content`, by the final ones, and add the facts of a batch."""
        content["output"] = f"{task.output.rstrip('/')}/{task.name}"
        content["settings"] = {**content["settings"], "source": task.job.source}
        content["batch"] = {
            "source": task.job.source,
            "bytes": bytes_of(task.job.source),
            "digest": digest_of(task.job.source),
            "files": output_settings(task.job)["files"],
            "ids": ids,
            "worker": self.name,
            "memory_mb": int(peak_mib() or 0),
            "attempts": task.attempt,
            "seconds": round(seconds, 3),
        }

    def _upload_folder(self) -> Path:
        """Return a temporary folder for results that are then uploaded."""
        if self.upload_folder is None:
            self.upload_folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="streamseg-")))
        return self.upload_folder

    def _open_segmenter(self, config: RunConfig) -> Segmenter:
        """Return the segmenter with its networks, which is opened for the first recording."""
        if self.segmenter is None:
            self.segmenter = self.stack.enter_context(open_segmenter(config))
        return self.segmenter


def _limit_threads(threads: int) -> None:
    """Limit the threads of libraries that otherwise use all cores, because other workers share the machine."""
    os.environ["STREAMSEG_THREADS"] = str(threads)
    import cv2
    import faiss

    cv2.setNumThreads(threads)
    faiss.omp_set_num_threads(threads)
