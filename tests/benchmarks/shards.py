"""Images/s from shards, by their index and by WebDataset, and from the folder they were packed from; size of the index.

    python tests/benchmarks/shards.py FOLDER_OF_RECORDINGS [--size 224] [--rounds 3]

Each round reads every frame once in the order of an epoch, in one process. Before each cold reading the files are
dropped from the page cache (posix_fadvise). An artificial index of 1.5 million frames is written and opened.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import webdataset

from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from streamseg.sources import Recording
from streamseg.sources.reading.shard_index import FRAME, FRAMES, NAMES, RECORDING, RECORDINGS
from streamseg.sources.shards import open_all
from train.data.frame_cache import fitted
from train.data.order import Order, part_ends
from train.data.recordings import open_recordings

OPENED = """
import sys, time
from streamseg.sources.shards import open_all
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4 / 1024
before = memory()
began = time.perf_counter()
recordings = open_all(sys.argv[1])
seconds = time.perf_counter() - began
print(seconds, len(recordings), memory() - before)
"""


def cool(files: Iterable[Path]) -> None:
    """Drop files from the page cache."""
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def by_index(recordings: list[Recording], side: int) -> int:
    """Read every frame in the order of an epoch, as training does: decode it, and resize it if required."""
    first = np.concatenate([[0], np.cumsum([len(one) for one in recordings])])
    order = Order(part_ends(recordings), 0)(0)
    for number in order.tolist():
        which = int(np.searchsorted(first, number, side="right")) - 1
        rgb = recordings[which][number - int(first[which])].rgb
        if fitted(rgb, side) != rgb.shape[:2]:
            cv2.resize(rgb, fitted(rgb, side)[::-1], interpolation=cv2.INTER_AREA)
    return len(order)


def by_webdataset(folder: Path) -> int:
    """Read the same frames with WebDataset's reader and shuffle buffer."""
    count = 0
    urls = sorted(map(str, folder.glob("*.tar")))
    for one in webdataset.WebDataset(urls, shardshuffle=100, seed=0).shuffle(1000):
        cv2.cvtColor(cv2.imdecode(np.frombuffer(one["jpg"], np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        count += 1
    return count


def rate(read: Callable[[], int]) -> float:
    began = time.perf_counter()
    return read() / (time.perf_counter() - began)


def made_up(folder: Path, recordings: int = 19_000, each: int = 79) -> dict[str, float]:
    """An index as large as that of CO3D: megabytes on disk, seconds to open, megabytes of memory."""
    frames = np.zeros(recordings * each, FRAME)
    frames["shard"] = np.arange(len(frames)) // (8 * each)
    rows = np.zeros(recordings, RECORDING)
    rows["first"], rows["frames"], rows["fps"] = np.arange(recordings) * each, each, 30
    rows["name_at"], rows["name"], rows["source"] = np.arange(recordings) * 80, 20, 60
    np.save(folder / FRAMES, frames)
    np.save(folder / RECORDINGS, rows)
    (folder / NAMES).write_bytes(b"x" * 80 * recordings)
    disk = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    said = subprocess.run([sys.executable, "-c", OPENED, folder], capture_output=True, text=True, check=True).stdout
    seconds, _, memory = map(float, said.split())
    return {"frames": len(frames), "disk_mb": round(disk), "open_s": round(seconds, 3), "memory_mb": round(memory)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3, help="passes over the frames; 0 = the index alone")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    side = 2 * asked.size
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        shards = Path(scratch) / "shards"
        packed = pack([str(asked.folder)], shards, PackOptions(side=side), per_shard=4, workers=1)
        ways: dict[str, tuple[list[Path], Callable[[], int]]] = {
            "folder": (
                [path for path in asked.folder.rglob("*") if path.is_file()],
                lambda: by_index(open_recordings([str(asked.folder)]), side),
            ),
            "shards": (list(shards.glob("*.tar")), lambda: by_index(open_all(str(shards)), side)),
            "webdataset": (list(shards.glob("*.tar")), lambda: by_webdataset(shards)),
        }
        found: dict[str, list[float]] = {}
        for _ in range(asked.rounds):
            for name, (files, read) in ways.items():
                cool(files)
                found.setdefault(f"{name}, cold", []).append(round(rate(read), 1))
                found.setdefault(f"{name}, warm", []).append(round(rate(read), 1))
        index = Path(scratch) / "index"
        index.mkdir()
        mb = {"folder": ways["folder"][0], "shards": ways["shards"][0]}
        report = {
            "frames": packed["frames"],
            "mb": {name: round(sum(path.stat().st_size for path in files) / 1e6, 1) for name, files in mb.items()},
            "images_per_second": found,
            "index": made_up(index),
        }
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
