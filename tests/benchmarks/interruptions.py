"""Signals, kills, full disks and read-only folders: no partial file is left, and the next run continues.

    python tests/benchmarks/interruptions.py --seed 0 --signals 200 --kills 50

Each trial runs the real command in a process of its own, forked from one that has imported the libraries. A signal is
sent while the sinks are opened, during the stream, or while they are closed: when `run.json`, some mask or the last
mask exists, plus some milliseconds. The script prints a table, and exits with 1 if a trial violated a guarantee.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from _trials import FAULTS, Trouble, faults_of, running, start, wait

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "tabletop"
FRAMES, STEPS = 10, 6
KEPT = (".streamseg.begun", ".batch", ".parts", ".building")
"""Files with which the next run continues."""
RUN = ("--size", "64", "--max-frames", str(FRAMES), "--save", "overlay,labels,npz,coco,jsonl", "--quiet")
TRAIN = ("--backbone", "resnet18", "--init", "none", "--layers", "2", "--size", "64", "--batch-size", "2", "--quiet")
TRAIN += ("--steps", str(STEPS), "--hidden", "16", "--projection", "8", "--workers", "0", "--devices", "cpu")
TRAIN += ("--save-every", "2", "--probe-size", "64")


def signalled(folder: Path, dice: random.Random, number: int) -> tuple[str, Trouble]:
    """A run that gets one signal, or two."""
    out, said, aim = folder / "out", folder / "said", ("open", "stream", "close")[number % 3]
    which, twice = dice.choice((signal.SIGINT, signal.SIGTERM)), dice.random() < 0.2
    wanted = {"open": 0, "stream": dice.randint(1, FRAMES - 1), "close": FRAMES}[aim]
    child = start(["run", str(SAMPLE), "-o", str(out), *RUN], said)
    while running(child):
        if (out / "run.json").exists() and len(list(out.glob("labels/*.png"))) >= wanted:
            break
        time.sleep(0.0005)
    time.sleep(dice.random() * 0.05)
    hit = running(child)
    os.kill(child, which)
    if twice:
        time.sleep(dice.random() * 0.02)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, dice.choice((signal.SIGINT, signal.SIGTERM)))
    code = wait(child)
    trouble = faults_of(out, said.read_text(), killed=code < 0)
    if code not in (0, 130) and not (twice and code in (-signal.SIGINT, -signal.SIGTERM)):
        trouble.append(f"exit code {code}")
    if not trouble and code < 0 and wait(start(["run", str(SAMPLE), "-o", str(out), *RUN, "--overwrite"], said)):
        trouble.append("cannot be run again: " + said.read_text())
    end = "killed by the second" if code < 0 else "interrupted" if code == 130 else "done"
    return f"signal at {aim}: {end}" if hit else "signal after the end", trouble


def killed(
    folder: Path, dice: random.Random, number: int, seconds: float, whole: dict[str, object]
) -> tuple[str, Trouble]:
    """A training that is killed, and then resumed or started again: it must end with the weights of an uninterrupted
    one."""
    out, said = folder / "out", folder / "said"
    base = ["train", "byol", "--data", str(SAMPLE), "-o", str(out), *TRAIN]
    child = start(base, said)
    while number % 2 and running(child) and not (out / "last.pt").exists():
        time.sleep(0.002)  # every other one is aimed behind the first checkpoint
    time.sleep(dice.random() * (seconds / 4 if number % 2 else seconds))
    os.kill(child, signal.SIGKILL)
    ended = wait(child) == 0
    saved = (out / "last.pt").exists()
    if wait(start([*base, *(["--resume"] if saved else [])], said)):
        return "kill of training", [said.read_text()]
    trouble = [f"left over: {path.name}" for path in out.glob(".*")]
    if weights(out) != whole:
        trouble.append("other weights than without the kill")
    when = "after the end" if ended else "behind a checkpoint" if saved else "before the first checkpoint"
    return f"kill of training {when}", trouble


def weights(out: Path) -> dict[str, object]:
    from streamseg.backbones import checkpoint

    return {name: value.numpy().tobytes() for name, value in checkpoint.read(out / "last.pt")["state_dict"].items()}


def full(limit: int) -> Callable[[], object]:
    """Limit files to `limit` bytes, as a full disk does."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return prepare


def unwritable(folder: Path) -> Path:
    """A folder in which nobody can write. Root can write everywhere but in the folders of the kernel."""
    folder.chmod(0o555)
    return Path("/sys/kernel") if os.geteuid() == 0 else folder


def refused(folder: Path, out: Path, args: list[str], prepare: Callable[[], object] = lambda: None) -> Trouble:
    """A command that cannot write must exit with 1 and two lines, or with 0, and leave no partial file."""
    said = folder / "said"
    code = wait(start([part.replace("OUT", str(out)) for part in args], said, prepare))
    text = said.read_text()
    trouble = [word for word in FAULTS if word in text]
    if code not in (0, 1) or (code == 1 and "error: " not in text):
        trouble.append(f"exit code {code}: {text[-200:]}")
    if args[0] == "run" and (out / "run.json").exists():
        with contextlib.suppress(KeyError):
            trouble += [line for line in faults_of(out, text, killed=True)]
    trouble += [f"left over: {path.name}" for path in (out.rglob(".*") if out.is_dir() else ())
                if not path.name.endswith(KEPT)]  # fmt: skip
    return trouble


def disks(base: Path, dice: random.Random, count: int) -> Iterator[tuple[str, Trouble]]:
    commands = {
        "run": ["run", str(SAMPLE), "-o", "OUT", *RUN],
        "train": ["train", "byol", "--data", str(SAMPLE), "-o", "OUT", *TRAIN],
        "export": ["export", "onnx", "resnet18", "--layers", "2", "--weights", str(base / "weights.pth"), "-o",
                   "OUT/net.onnx", "--size", "64", "--quiet"],
        "batch": ["batch", str(SAMPLE), "-o", "OUT", *RUN, "--workers", "1"],
        "data pack": ["data", "pack", str(SAMPLE), "-o", "OUT", "--side", "64", "--workers", "1"],
        "data index": ["data", "index", str(SAMPLE), "-o", "OUT/some.index", "--workers", "1"],
        "eval": ["eval", str(SAMPLE), "--size", "64", "--max-frames", "3", "--no-objects", "--html", "OUT/page.html"],
    }  # fmt: skip
    for number in range(count):
        name = list(commands)[number % len(commands)]
        with tempfile.TemporaryDirectory(dir=base) as folder:
            out = Path(folder) / "out"
            out.mkdir()
            limit = full(int(10 ** dice.uniform(0, 6)))
            yield f"full disk, {name}", refused(Path(folder), out, commands[name], limit)
            locked = unwritable(out) / "new"
            trouble = refused(
                Path(folder), locked, [part.replace("OUT/", f"{locked.parent}/") for part in commands[name]]
            )
            yield f"read-only, {name}", trouble


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for flag, default in (("--seed", 0), ("--signals", 200), ("--kills", 50), ("--disks", 12)):
        parser.add_argument(flag, type=int, default=default)
    given = parser.parse_args()
    dice, table, broken = random.Random(given.seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as base:
        os.environ |= {"STREAMSEG_CACHE": f"{base}/cache", "OMP_NUM_THREADS": "1"}
        for what, trouble in trials(Path(base), dice, given):
            table[what] += 1
            if trouble:
                broken.append((what, trouble))
                print(f"BROKEN {what}: {'; '.join(trouble)}", file=sys.stderr, flush=True)
    print("| what happened | times |\n|---|---|")
    for what, count in sorted(table.items()):
        print(f"| {what} | {count} |")
    print(f"\n{sum(table.values())} trials, {len(broken)} broke a promise (seed {given.seed})")
    sys.exit(bool(broken))


def trials(base: Path, dice: random.Random, given: argparse.Namespace) -> Iterator[tuple[str, Trouble]]:
    import faiss  # noqa: F401
    import openvino  # noqa: F401
    import pytorch_lightning  # noqa: F401

    import streamseg.runtime.job  # noqa: F401
    import train.run  # noqa: F401

    if given.signals or given.disks:  # the network is made once
        assert wait(start(["run", str(SAMPLE), "-o", str(base / "calm"), *RUN], base / "said")) == 0
    for number in range(given.signals):
        with tempfile.TemporaryDirectory(dir=base) as folder:
            yield signalled(Path(folder), dice, number)
    if given.kills:
        began = time.monotonic()
        assert wait(start(["train", "byol", "--data", str(SAMPLE), "-o", str(base / "t"), *TRAIN], base / "said")) == 0
        seconds, whole = time.monotonic() - began, weights(base / "t")
    for number in range(given.kills):
        with tempfile.TemporaryDirectory(dir=base) as folder:
            yield killed(Path(folder), dice, number, seconds, whole)
    if given.disks:
        import timm
        import torch

        torch.save(timm.create_model("resnet18").state_dict(), base / "weights.pth")
        yield from disks(base, dice, given.disks)


if __name__ == "__main__":
    main()
