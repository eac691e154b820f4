"""How far `free`, the IoU of the objects with the foreground, depends on rounding: every group of masks.py, live.

    python tests/benchmarks/stability_groups.py --data FOLDER --save run.json [--half both] [--seeds 3] [--group NAME]

There are three disturbances: "noise", as in stability.py; another "seed" of everything random; and "shift", the frames
moved by one pixel. The script prints a Markdown table: the change of the mean of each group, and that of the recording
that changes most, each the largest over the seeds. Figures that the file of --save contains are not measured again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import masks
import numpy as np
from _halves import half_option, of_half
from _networks import Opened
from _recordings import kept
from stability import Disturbed, shifted

Found = dict[str, dict[str, dict[str, float]]]
"""`free` by group, recording and what was done to it: "whole" is nothing, "noise 0" the first noise."""


def measure(task: masks.Task, seeds: int, networks: Opened) -> dict[str, float]:
    """`free`, undisturbed and with each disturbance."""

    def free(seed: int = 0) -> float:
        return masks.measure(task, {"regions": False, "seed": seed})["free"]

    with kept():
        with networks.instead():
            found = {"whole": free()} | {f"seed {seed}": free(seed) for seed in range(1, seeds + 1)}
        for seed in range(seeds):
            with networks.instead(lambda network, seed=seed: Disturbed(network, seed)):  # type: ignore[misc]
                found[f"noise {seed}"] = free()
    with kept(shifted), networks.instead():
        found["shift"] = free()
    return found


def report(found: Found) -> None:
    """Print the table."""
    print("| group | recordings | `free` | noise | another seed | shift |\n|---|---|---|---|---|---|")
    for group, results in found.items():
        whole = np.mean([one["whole"] for one in results.values()])
        cells = [_cell(results, kind) for kind in ("noise", "seed", "shift")]
        print(f"| {group} | {len(results)} | {whole:.3f} | {' | '.join(cells)} |")


def _cell(results: dict[str, dict[str, float]], kind: str) -> str:
    ways = [way for way in next(iter(results.values())) if way.startswith(kind)]
    changes = np.array([[one[way] - one["whole"] for way in ways] for one in results.values()])
    mean, worst = changes.mean(axis=0), np.abs(changes).max(axis=1)
    most = mean[np.abs(mean).argmax()]
    return f"{most:+.3f}, {worst.max():.3f} ({list(results)[worst.argmax()]})"


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Recordings.")
@click.option("--save", type=click.Path(path_type=Path), required=True, help="File of the figures.")
@half_option("both")
@click.option("--group", "groups", multiple=True, help="Only groups whose name contains this.")
@click.option("--seeds", default=3, show_default=True, help="Noises, and other seeds.")
def main(data: Path, save: Path, which: str, groups: Sequence[str], seeds: int) -> None:
    """Measure how far the objects of each group depend on rounding."""
    found: Found = json.loads(save.read_text()) if save.exists() else {}
    networks = Opened()
    for task in masks.tasks(data):
        known = found.setdefault(task.group, {}) if task.group != "empty" else {}
        if not of_half(task.name, which) or task.group == "empty" or task.name in known:
            continue
        if not groups or any(part in task.group for part in groups):
            known[task.name] = measure(task, seeds, networks)
            networks.forget()
            save.write_text(json.dumps(found, indent=1))
            print(f"\r\033[K{task.group}: {task.name}", end="", file=sys.stderr)
    print("\r\033[K", end="", file=sys.stderr)
    report({group: results for group, results in found.items() if results})


if __name__ == "__main__":
    main()
