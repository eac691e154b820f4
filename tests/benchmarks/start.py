"""Time of a start, from the command to the end of a run of one frame, in units of `python -c "import torch"`.

    python tests/benchmarks/start.py RECORDING [--first] [--turns 5] [--save overlay,objects]

With --first it is the first run ever, with an empty cache folder, in units of a run whose caches are warm. Both
commands take turns, after one run of each that warms the caches. The script prints medians of wall time and of
processor time in seconds, and the medians of the turns' ratios.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import click


def timed(command: list[str], cache: str) -> tuple[float, float]:
    """(wall, processor) seconds of a process and its children. cache: the folder in which streamseg stores networks."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"STREAMSEG_CACHE": cache}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command()
@click.argument("recording")
@click.option("--first", is_flag=True, help="The first run ever, with an empty cache.")
@click.option("--turns", default=5, show_default=True, help="Turns of each command.")
@click.option("--save", default="overlay,objects", show_default=True, help="As in run.")
def main(recording: str, first: bool, turns: int, save: str) -> None:
    """Measure the start of a run on RECORDING."""
    took: list[list[tuple[float, float]]] = [[], []]
    with tempfile.TemporaryDirectory(prefix="streamseg-start-") as folder:
        output, warm = f"{folder}/run", f"{folder}/cache"
        run = ["-m", "streamseg", "run", recording, "--save", save, "--max-frames", "1", "-o", output, "--overwrite"]
        ours, theirs = [sys.executable, *run], [sys.executable, *(run if first else ("-c", "import torch"))]
        for command in (ours, theirs):
            timed(command, warm)
        for turn in range(turns):
            took[0].append(timed(ours, f"{folder}/empty-{turn}" if first else warm))
            took[1].append(timed(theirs, warm))
    for place, kind in enumerate(("wall time", "processor time")):
        mine, its = ([seconds[place] for seconds in turns_of] for turns_of in took)
        ratio = statistics.median(a / b for a, b in zip(mine, its, strict=True))
        middle = f"{statistics.median(mine):.2f} s to {statistics.median(its):.2f} s"
        click.echo(f"{kind}: {middle}, {ratio:.2f} ({min(mine):.2f} to {min(its):.2f} at best)")


if __name__ == "__main__":
    main()
