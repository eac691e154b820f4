"""How long a start takes, from the command to the end of a run of one frame, in units of `python -c "import torch"`.

    python tests/benchmarks/start.py RECORDING [--turns 5] [--save overlay,objects]

Both take turns, after one that warms the caches. Prints medians of wall time and of processor time in seconds, and the
medians of the turns' ratios.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time

import click


def timed(command: list[str]) -> tuple[float, float]:
    """(wall, processor) seconds of a process and its children."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command()
@click.argument("recording")
@click.option("--turns", default=5)
@click.option("--save", default="overlay,objects")
def main(recording: str, turns: int, save: str) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="streamseg-start-") as folder:
        run = ["-m", "streamseg", "run", recording, "--save", save, "--max-frames", "1", "-o", folder, "--overwrite"]
        commands = {"run": [sys.executable, *run], "torch": [sys.executable, "-c", "import torch"]}
        for command in commands.values():
            timed(command)
        took = {name: [] for name in commands}  # type: dict[str, list[tuple[float, float]]]
        for _ in range(turns):
            for name, command in commands.items():
                took[name].append(timed(command))
    for place, kind in enumerate(("wall time", "processor time")):
        ours, theirs = ([one[place] for one in took[name]] for name in ("run", "torch"))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        middle = f"{statistics.median(ours):.2f} s to {statistics.median(theirs):.2f} s"
        click.echo(f"{kind}: {middle}, {ratio:.2f} ({min(ours):.2f} to {min(theirs):.2f} at best)")


if __name__ == "__main__":
    main()
