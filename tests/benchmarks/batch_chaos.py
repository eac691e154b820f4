"""Fault injection: kill workers and the driver of `streamseg batch`, beside three kinds of bad recordings.

    python tests/benchmarks/batch_chaos.py --recordings 200 --kills 3 --seed 0 --folder build/chaos

The script makes short recordings of samples/tabletop and three bad ones: one whose worker it always kills, as a system
without memory does, one that cannot be read, and one that never ends, because the script stops its worker. It kills
workers at random times and the driver once, starts the same command again, and compares the results with those of
`streamseg run`, byte for byte. The exit code is 1 if a good recording is missing, duplicated or different, if a bad one
is not reported, or if another machine could reach a socket of Ray.

over_ideal is the time of both commands, from start to end, divided by the ideal: half of the seconds that the two
workers spent on recordings. Both are of the same run, so that other work on the machine cancels out. The ideal includes
what killed workers and drivers had begun, the opening of the network by each new worker, and the timeout of the
recording that never ends; over_ideal_without_timeout excludes this timeout. It does not include the starts of Python
and Ray.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from _chaos_recordings import make_recordings
from listening import beyond_loopback

from streamseg.runtime.index import Entry, read

ROOT = Path(__file__).resolve().parents[2]
BAD = {"poison": "aside", "unreadable": "failed", "hang": "aside"}
RUN = ["--size", "128", "--save", "overlay,labels"]
FLAGS = [*RUN, "--workers", "2", "--retries", "2"]


class Killer(threading.Thread):
    """Kills each worker of "poison", stops that of "hang", and kills `kills` others at random times, as counted by
    finished recordings. lost: seconds of lost work."""

    def __init__(self, out: Path, count: int, kills: int, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.out, self.work = out, out / ".batch" / "work"
        self.moments = sorted(rng.sample(range(count), kills))
        self.killed: list[str] = []
        self.lost = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            at = [path for path in sorted(self.work.glob("*.*.*")) if lives(path)]
            for path in at:
                if path.name.startswith("poison."):
                    self.kill(path)
                if path.name.startswith("hang."):
                    send(path, signal.SIGSTOP)
            if self.moments and len(done(self.out)) >= self.moments[0]:
                for path in [path for path in at if path.name.startswith("rec")][:1]:
                    self.moments.pop(0)
                    self.kill(path)

    def kill(self, path: Path) -> None:
        """Kill the worker of a folder under construction, and move the folder away."""
        name, _, pid = path.name.rsplit(".", 2)
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            lost = age(path)
            os.kill(int(pid), signal.SIGKILL)
            self.lost += lost
            shutil.move(path, self.work.parent / f"killed-{len(self.killed)}")
            self.killed.append(name)


def age(path: Path) -> float:
    """Seconds since a folder under construction was created, by its oldest file."""
    times = [time.time()]
    with contextlib.suppress(FileNotFoundError):
        times += [one.stat().st_ctime for one in (path, *path.iterdir())]
    return times[0] - min(times)


def send(path: Path, which: signal.Signals) -> None:
    """Send a signal to the worker of a folder under construction."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(path.name.rsplit(".", 1)[1]), which)


def lives(path: Path) -> bool:
    """Whether the worker of a folder under construction runs; the workers of a killed driver end soon after it."""
    return Path(f"/proc/{path.name.rsplit('.', 1)[1]}").exists()


class Sockets:
    """Listening sockets while drivers run. most: at one time. beyond: "pid address" of each that others could reach."""

    def __init__(self) -> None:
        self.most, self.beyond, self.looked = 0, set(), 0.0

    def look(self, pid: int) -> None:
        """Look at most twice a second, because this reads all of /proc. One look is not enough: Ray may start late, and
        recordings that a killed driver left may be completed without it."""
        if time.monotonic() - self.looked > 0.5:
            count, beyond = beyond_loopback(pid)
            self.most, self.beyond = max(self.most, count), self.beyond | set(beyond)
            self.looked = time.monotonic()

    def faults(self) -> list[str]:
        """What is wrong. Ray has more than two sockets."""
        return sorted(self.beyond) + ([] if self.most > 2 else ["no socket of Ray was seen"])


def drive(command: list[str], out: Path, kill_after: int, sockets: Sockets) -> tuple[float, float, float]:
    """Run the driver, and kill it after `kill_after` finished recordings (0 = let it end). Returns its seconds, those
    until its first recording was done, and those of work that the kill lost."""
    began, before, ready, lost = time.monotonic(), done(out), 0.0, 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (kill_after and len(done(out)) >= kill_after):
        if not ready and done(out) - before:
            ready = time.monotonic() - began
        sockets.look(process.pid)
        time.sleep(0.05)
    if kill_after:
        process.kill()
        at_work = [path for path in (out / ".batch" / "work").glob("rec*.*.*") if lives(path)]
        lost = sum(map(age, at_work))
        for path in (out / ".batch" / "work").glob("hang.*"):  # what is stopped cannot see that its driver has gone
            send(path, signal.SIGKILL)
    process.wait()
    return time.monotonic() - began, ready, lost


def done(out: Path) -> set[str]:
    return {path.parent.name for path in out.glob("[!.]*/run.json")}


def differences(sources: list[Path], out: Path, scratch: Path, by_process: int) -> list[str]:
    """Good recordings whose files differ from those of a new `streamseg run`, some of them in a process of their
    own."""
    commands = [["run", str(source), "-o", str(scratch / source.name), *RUN, "--quiet"] for source in sources]
    for command in commands[:by_process]:
        subprocess.run([sys.executable, "-m", "streamseg", *command], check=True)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(run_here, commands[by_process:]))
    wrong = []
    for source in sources:
        alone = scratch / source.name
        mine, its = ({str(p.relative_to(f)) for p in f.rglob("*") if p.is_file()} for f in (out / source.name, alone))
        _, unequal, absent = filecmp.cmpfiles(out / source.name, alone, mine - {"run.json"}, shallow=False)
        if mine != its or unequal or absent:
            wrong.append(source.name)
    return wrong


def run_here(command: list[str]) -> None:
    """Run `streamseg COMMAND` in this process."""
    from streamseg.cli.main import group

    os.environ["STREAMSEG_THREADS"] = "1"
    group.main(command, prog_name="streamseg", standalone_mode=False)


def times(drives: list[tuple[float, float, float]], killer: Killer, entries: list[Entry]) -> dict[str, Any]:
    """The times, see the module. drives: what `drive` returned."""
    total, lost = sum(one[0] for one in drives), killer.lost + sum(one[2] for one in drives)
    computed = sum(entry.seconds for entry in entries) + lost
    waited = sum(entry.seconds for entry in entries if entry.name == "hang")
    return {
        "seconds": [round(one[0], 1) for one in drives],
        "of_them_until_the_first_was_done": [round(one[1], 1) for one in drives],
        "computed_worker_seconds": round(computed, 1),
        "of_them_lost": round(lost, 1),
        "over_ideal": round(total / (computed / 2), 3),
        "over_ideal_without_timeout": round(total / ((computed - waited) / 2), 3),
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, default in (("--recordings", 200), ("--frames", 200), ("--kills", 3), ("--seed", 0)):
        parser.add_argument(flag, type=int, default=default)
    parser.add_argument("--drivers", type=int, default=1, help="drivers that run at once after the kill")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--compare", type=int, default=10**9, help="recordings to compare with run; default: all")
    parser.add_argument("--by-process", type=int, default=3, help="runs in a process of their own")
    parser.add_argument("--folder", type=Path, default=Path("build/chaos"))
    return parser.parse_args()


def main() -> int:
    asked = options()
    rng = random.Random(asked.seed)
    shutil.rmtree(asked.folder, ignore_errors=True)
    recordings, out = asked.folder / "recordings", asked.folder / "out"
    make_recordings(recordings, asked.recordings, asked.frames, rng)
    command = [sys.executable, "-m", "streamseg", "batch", str(recordings), "-o", str(out), *FLAGS]
    command += ["--timeout", str(asked.timeout)]
    killer, sockets = Killer(out, asked.recordings, asked.kills, rng), Sockets()
    killer.start()
    first = drive(command, out, max(1, int(asked.recordings * rng.uniform(0.3, 0.6))), sockets)
    others = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(asked.drivers - 1)]
    second = drive(command, out, 0, sockets)
    for other in others:
        other.wait()
    killer.over.set()
    entries = read(out)
    good = [entry for entry in entries if entry.name.startswith("rec")]
    named = {entry.name: entry.status for entry in entries if entry.name in BAD}
    sources = sorted(recordings.glob("rec*"))
    compared = rng.sample(sources, min(asked.compare, len(sources)))
    wrong = differences(compared, out, asked.folder / "alone", asked.by_process)
    report = {
        "good_done": sum(entry.status == "done" for entry in good),
        "entries": len(entries),
        "compared": len(compared),
        "different_from_run": wrong,
        "bad": named,
        "killed": killer.killed,
        "left_over": [path.name for path in (out / ".batch" / "work").iterdir()],
        "beyond_loopback": sockets.faults(),
        **times([first, second], killer, entries),
    }
    print(json.dumps(report, indent=2))
    whole = report["good_done"] == asked.recordings == len(good) and len(entries) == asked.recordings + 3
    return 0 if whole and named == BAD and not (wrong or report["beyond_loopback"] or report["left_over"]) else 1


if __name__ == "__main__":
    sys.exit(main())
