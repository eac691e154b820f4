"""An index of as many frames as CO3D has: the time to make, update and open it, and its memory.

    python tests/benchmarks/recording_index.py [--recordings 19000] [--frames 79] [--workers 2]

The script writes annotations as CO3D does, in 51 categories; all sequences share one folder of images through links.
Each figure is measured in a process of its own. "open" is what `--data index:FILE` does, with the check for changes;
"names" reads the names of all frames, as a resumed training does; "growth" is the memory of both. "cpu" is the
processor time of opening, which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

CATEGORIES = 51
RECORD = (
    '{"sequence_name": "%s", "frame_number": %d, "frame_timestamp": %.6f, "image": {"path": "%s/%s/images/'
    'frame%06d.jpg", "size": [1896, 1065]}, "depth": null, "mask": null, "viewpoint": {"R": [[-0.9984, 0.0412, 0.0371],'
    ' [0.0389, 0.9974, -0.0605], [-0.0395, -0.0589, -0.9975]], "T": [-0.4139, 1.0513, 6.2891], "focal_length": '
    '[3.5619, 3.5633], "principal_point": [0.0, -0.0], "intrinsics_format": "ndc_isotropic"}, "meta": {"frame_type": '
    '"train_known", "frame_splits": ["multisequence_fewview_dev_train"], "eval_batch_maps": []}}'
)
OPEN = """
import sys, time
from train.data.recordings import open_recordings
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4 / 1024
before, began, cpu = memory(), time.perf_counter(), time.process_time()
recordings = open_recordings(["index:" + sys.argv[1]])
opened, cpu = time.perf_counter() - began, time.process_time() - cpu
names = sum(len(one.name_of(at)) > 0 for one in recordings for at in range(len(one)))
print(opened, cpu, time.perf_counter() - began - opened, memory() - before, names, recordings[-1][3].rgb.shape[0])
"""
MAKE = """
import json, resource, sys
from pathlib import Path
from streamseg.cluster.indexing import index_recordings
if __name__ == "__main__":
    said = index_recordings(["co3d:" + sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]))
    most = [resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({key: said[key] for key in ("recordings", "frames", "looked_at")} | {"most_mb": most}))
"""


def make_sequences(root: Path, recordings: int, frames: int) -> int:
    """Write the recordings; returns the size of their annotations [bytes], unpacked."""
    pictures = root / "pictures"
    pictures.mkdir(parents=True)
    cv2.imwrite(str(pictures / "frame000000.jpg"), np.zeros((48, 64, 3), np.uint8))
    for number in range(1, frames):
        (pictures / f"frame{number:06d}.jpg").hardlink_to(pictures / "frame000000.jpg")
    size = 0
    for number in range(CATEGORIES):
        category = root / "co3d" / f"category{number:02d}"
        lines = []
        for one in range(number, recordings, CATEGORIES):
            name = f"{one}_{one * 7 + 1}_{one * 13 + 5}"
            (category / name).mkdir(parents=True)
            (category / name / "images").symlink_to(pictures)
            lines += [RECORD % (name, at, at / 10, category.name, name, at) for at in range(frames)]
        text = f"[{', '.join(lines)}]".encode()
        size += len(text)
        (category / "frame_annotations.jgz").write_bytes(gzip.compress(text, 1))
    return size


def python(script: str, *words: object) -> str:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, check=True
    ).stdout


def made(root: Path, index: Path, workers: int) -> dict[str, object]:
    script = root / "make.py"  # a file, for processes that are spawned
    script.write_text(MAKE, encoding="utf-8")
    began = time.perf_counter()
    command = [sys.executable, str(script), str(root / "co3d"), str(index), str(workers)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {"seconds": round(time.perf_counter() - began, 1)} | json.loads(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, default in (("--recordings", 19_000), ("--frames", 79), ("--workers", 2)):
        parser.add_argument(flag, type=int, default=default)
    parser.add_argument("--folder", type=Path, default=Path("build/recording_index"))
    asked = parser.parse_args()
    root = asked.folder.absolute()
    shutil.rmtree(root, ignore_errors=True)
    os.environ["STREAMSEG_CACHE"] = str(root / "cache")
    size, index = make_sequences(root, asked.recordings, asked.frames), root / "some.index"
    report: dict[str, object] = {"annotations_mb": round(size / 1e6)}
    report["made"] = made(root, index, asked.workers)
    report["renewed"] = made(root, index, asked.workers)
    opened, cpu, names, growth, count, _ = map(float, python(OPEN, index).split())
    report["index_mb"] = round(index.stat().st_size / 1e6, 1)
    report |= {"open_s": round(opened, 3), "open_cpu_s": round(cpu, 3), "names_s": round(names, 2)}
    report |= {"growth_mb": round(growth), "names": int(count)}
    print(json.dumps(report, indent=2))
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
