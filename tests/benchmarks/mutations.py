"""Thousands of mutated inputs: the real command must end as guaranteed on each, in a process of its own.

    python tests/benchmarks/mutations.py --seed 0 --count 2000

Mutation number n depends on the seed and n alone. Faults are: a traceback or crash, a hang (CLOCK seconds, or SECONDS
of processor time), a partial file, a file written outside the output, cache and temporary folders, and a frame that is
neither used nor counted. Sources are run with a backbone of colours, which takes a fraction of a second; models are
loaded as usual.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "STREAMSEG_THREADS": "1"}
sys.path.append(str(Path(__file__).parents[2]))

import numpy as np
from mutation_changes import Change, change
from mutation_seeds import SOURCES, Seed, models
from PIL import Image

from streamseg.backbones import Backbone

SECONDS, MEMORY = 60, 6 << 30
CLOCK = 300
"""Seconds by the clock: other work may share the machine."""
MODEL_ENGINES = {".pt": "torch", ".onnx": "onnxruntime"}
MODELS = 0.05
"""Share of the mutations that change a model."""


class Colours(Backbone):
    """The mean colour of each cell as a unit vector."""

    name, sha256, engine, device, precision = "colours", "", "numpy", "cpu", "fp32"
    dim, stride = 4, 16

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        b, _, h, w = images.shape
        cells = images.reshape(b, 3, h // 16, 16, w // 16, 16).mean(axis=(3, 5))
        cells = np.concatenate([cells - 0.3, np.full_like(cells[:, :1], 0.2)], axis=1)
        return {"features": cells / np.linalg.norm(cells, axis=1, keepdims=True)}


def arguments(seed: Seed, place: Path) -> list[str]:
    """The command line; `place` has the mutated seed in in/."""
    out = ["-o", str(place / "out"), "--size", "64", "--save", "labels,jsonl,overlay", "--json"]
    target = str(place / "in" / seed.start)
    if seed.model:
        return [
            "run",
            str(place.parent / "images"),
            "--model",
            target,
            "--max-frames",
            "2",
            "--engine",
            MODEL_ENGINES[Path(target).suffix],
            *out,
        ]
    return ["run", target, *out]


def command(seed: Seed, place: Path) -> None:
    """In the child: set limits and streams, and run the command; never returns."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(place)
    sys.argv = ["streamseg", *arguments(seed, place)]
    os.environ |= {"HOME": str(place / "home"), "STREAMSEG_CACHE": str(place / "cache"), "TMPDIR": str(place / "tmp")}
    tempfile.tempdir = None
    code = 1
    try:
        from streamseg.cli.main import main
        from streamseg.runtime import session

        if not seed.model:
            session.open_backbone = lambda spec, size, **_: Colours(size)  # type: ignore[assignment]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def one(number: int, seeds: dict[str, Seed], root: Path, seed: int) -> tuple[str, Change, list[str], str]:
    """Run mutation `number`. Returns its kind, the change, the faults, and whether the command ran or refused."""
    rng = random.Random(f"{seed} {number}")
    names = [name for name, found in seeds.items() if found.model == (rng.random() < MODELS)] or list(seeds)
    name = rng.choice(names)
    found, place = seeds[name], root / f"{number}"
    shutil.copytree(found.folder, place / "in")
    for folder in ("home", "tmp"):
        (place / folder).mkdir()
    done = change(place / "in", found.frames, found.listed, rng)
    before = listing(place)
    child = os.fork()
    if not child:
        command(found, place)
    status = waited(child)
    wrong = ["hang"] if status is None else verdict(found, place, before, status, done)
    if not wrong:
        shutil.rmtree(place, ignore_errors=True)
    return name, done, wrong, "ran" if status == 0 else "refused"


def waited(child: int) -> int | None:
    """The exit code of a child, None if it had to be killed."""
    end = time.monotonic() + CLOCK
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return None if code == -signal.SIGXCPU else code
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def listing(place: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file that the command must not change."""
    own = {"out", "cache", "tmp", "stdout", "stderr"}
    files = (path for path in place.rglob("*") if path.is_file() and path.relative_to(place).parts[0] not in own)
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def verdict(seed: Seed, place: Path, before: dict[str, tuple[int, int]], status: int, done: Change) -> list[str]:
    said = (place / "stderr").read_text(errors="replace")
    wrong = []
    if status < 0 or "this is a bug" in said or "Traceback" in said or status not in (0, 1):
        wrong.append(f"traceback or crash ({status})")
    elif status == 1 and [line.split(":")[0] for line in said.splitlines()[-2:]] != ["error", "hint"]:
        wrong.append("no error and hint")
    if listing(place) != before:
        wrong.append("written outside")
    if problem := half_file(place / "out"):
        wrong.append(f"half file: {problem}")
    if status == 0 and not seed.model:
        result = json.loads((place / "out/run.json").read_text())
        counted = result["frames"] + sum(reason["count"] for reason in result["skipped"].values())
        if counted < done.kept:
            wrong.append(f"uncounted loss: {counted} of {done.kept}")
    return wrong


def half_file(out: Path) -> str:
    """The first file of the output that is not complete, "" if all are."""

    def refuse(value: str) -> None:
        raise ValueError(value)

    for path in out.rglob("*") if out.is_dir() else []:
        try:
            if path.suffix == ".png":
                Image.open(path).load()
            elif path.suffix in (".json", ".jsonl"):
                text = path.read_text()
                for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
                    json.loads(part, parse_constant=refuse)
            elif path.suffix == ".mp4":
                import av

                with av.open(str(path)) as container:
                    next(container.decode(video=0))
            elif path.is_file():
                return f"left over {path.name}"
        except Exception as problem:
            return f"{path.name}: {problem}"
    return ""


def prepare(root: Path, only: str | None) -> dict[str, Seed]:
    """Make the seeds, and import in this process what every child needs, so that a child starts at once."""
    seeds = {name: build(root / "seeds" / name) for name, build in SOURCES.items()}
    shutil.copytree(seeds["images"].folder, root / "images")
    if only != "sources":
        seeds = models(root / "seeds") | (seeds if only is None else {})
    import av  # noqa: F401
    import cv2
    import faiss  # noqa: F401
    import kneed  # noqa: F401

    import streamseg.cli.run
    import streamseg.runtime.job
    import streamseg.sinks.overlay  # noqa: F401

    cv2.setNumThreads(0)
    return seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--workers", type=int, default=1, help="mutations at once")
    parser.add_argument("--only", choices=["sources", "models"], help="run these alone")
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="mutations-"))
    seeds = prepare(root, given.only)
    total: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    began = time.perf_counter()
    with ThreadPoolExecutor(given.workers) as pool:
        jobs: Any = pool.map(lambda n: one(n, seeds, root, given.seed), range(given.first, given.first + given.count))
        for number, (name, done, wrong, outcome) in enumerate(jobs, given.first):
            total[name] += 1
            outcomes[outcome] += 1
            for problem in wrong:
                outcomes[problem.split(":")[0].split(" (")[0]] += 1
                print(f"{number}: {name}: {done.what}: {problem}; see {root / str(number)}", flush=True)
            if number % 100 == 99:
                print(f"{number + 1} done: {dict(outcomes)}", file=sys.stderr, flush=True)
    print(json.dumps({"seed": given.seed, "count": given.count, "by kind": total, "outcomes": outcomes}))
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    if set(outcomes) <= {"ran", "refused"}:
        shutil.rmtree(root)
    else:
        sys.exit(1)


if __name__ == "__main__":
    main()
