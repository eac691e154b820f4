"""Time of `streamseg batch --workers 2` beside one `streamseg run` after another; overhead of the scheduler.

    python tests/benchmarks/batch_throughput.py SOURCE... [--pairs 2] [-- run's flags]
    python tests/benchmarks/batch_throughput.py --overhead 19000

Both times include loading and the network. Both are measured directly one after the other, because other work may slow
down the machine. With --overhead N the scheduler processes N recordings without any work, on two real actors of Ray,
and the script prints milliseconds a recording.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from streamseg.cluster.driver import Driver
from streamseg.cluster.naming import folder_names
from streamseg.cluster.pools import ray_actors
from streamseg.cluster.stores import open_store
from streamseg.cluster.task import Task, output_settings
from streamseg.config import RunConfig
from streamseg.runtime.index import Entry, read
from streamseg.sources import expansion


class Idle:
    """An actor that returns at once."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def ready(self) -> None:
        """Returns when the actor is up."""

    def do(self, task: Task) -> Entry:
        return task.entry("done", frames=1)


def overhead(count: int) -> dict[str, Any]:
    """Time of all steps but the segmentation: names, existing results, the queue, the call, the entry."""
    ray_actors._Actor = Idle  # type: ignore[assignment,misc]
    settled: list[Entry] = []
    with tempfile.TemporaryDirectory() as folder, ray_actors.RayPool("", 2, 1, gpu=False) as pool:
        while len(pool.idle()) < 2:
            pool.wait(1)
        began = time.perf_counter()
        job = RunConfig(source="")
        store, wanted = open_store(folder), output_settings(job)
        uris = [f"/data/co3d/category{number // 400}/{number}" for number in range(count)]
        tasks = [Task(name, RunConfig(source=uri), folder) for name, uri in zip(folder_names(uris), uris)]
        waiting = [task for task in tasks if store.find_done(task.name, task.job.source, wanted) is None]

        def already(task: Task) -> Entry | None:
            return store.find_done(task.name, task.job.source, wanted)

        Driver(pool, 3, 60, settled.append, already, store.in_progress).run(waiting)
        store.write_index(settled)
        seconds = time.perf_counter() - began
    return {"recordings": len(settled), "seconds": round(seconds, 1), "ms_each": round(1e3 * seconds / count, 2)}


def timed(command: list[Any]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "streamseg", *command, "--quiet"], check=True)
    return time.perf_counter() - began


def pair(uris: list[str], flags: list[str], folder: Path) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    names = folder_names(uris)
    alone = sum(timed(["run", uri, "-o", folder / "alone" / name, *flags]) for uri, name in zip(uris, names))
    together = timed(["batch", *uris, "-o", folder / "batch", "--workers", "2", *flags])
    entries = read(folder / "batch")
    return {
        "one_after_another_s": round(alone, 1),
        "two_workers_s": round(together, 1),
        "times": round(alone / together, 2),
        "frames": sum(entry.frames for entry in entries),
        "fps": round(sum(entry.frames for entry in entries) / together, 1),
        "worker_mb": max(entry.memory_mb for entry in entries),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*")
    parser.add_argument("--pairs", type=int, default=2, help="comparisons")
    parser.add_argument("--most", type=int, default=12, help="largest number of recordings")
    parser.add_argument("--overhead", type=int, default=0, help="number of recordings without work")
    asked, flags = parser.parse_known_args()
    if asked.overhead:
        print(json.dumps(overhead(asked.overhead), indent=2))
        return
    uris = expansion.expand(asked.sources)[: asked.most]
    flags = [flag for flag in flags if flag != "--"]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(asked.pairs):
            print(json.dumps(pair(uris, flags, Path(folder) / "pair")), flush=True)


if __name__ == "__main__":
    main()
