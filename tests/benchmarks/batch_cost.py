"""Processor time and bytes a frame, from which docs/batch.md estimates machine-hours.

    python tests/benchmarks/batch_cost.py RECORDING [--frames 12]

A worker segments the recording twice: once to open its network, and once for the measurement. It measures processor
time, not wall time, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from streamseg.cluster.task import Task
from streamseg.cluster.worker import Worker
from streamseg.config import ExtractorConfig, ObjectsConfig, RunConfig


def measured(source: str, size: int, quality: str, frames: int) -> dict[str, float]:
    objects = ObjectsConfig(objects=quality != "regions", quality="high" if quality == "high" else "live")
    save = ("labels",) if quality == "regions" else ("labels", "objects")
    job = RunConfig(source=source, extractor=ExtractorConfig(size=size), objects=objects, max_frames=frames, save=save)
    worker = Worker(1)
    with tempfile.TemporaryDirectory() as folder:
        worker.do(Task("first", job, folder))
        began = time.process_time()
        entry = worker.do(Task("second", job, folder))
        seconds = time.process_time() - began
        written = sum(path.stat().st_size for path in (Path(folder) / "second").rglob("*.png"))
    worker.close()
    assert entry.status == "done", entry.error
    return {"cpu_ms": round(1e3 * seconds / entry.frames, 1), "written_kb": round(written / 1e3 / entry.frames, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--frames", type=int, default=12)
    asked = parser.parse_args()
    for quality in ("regions", "live", "high"):
        for size in (256, 384, 512):
            print(quality, size, json.dumps(measured(asked.source, size, quality, asked.frames)), flush=True)


if __name__ == "__main__":
    main()
