"""Whether training helps: methods and seeds, on the recordings they were trained on, on others, and on other kinds.

    python tests/benchmarks/training.py --data FOLDER -o OUT [--method NAME]... [--seeds N] [--steps N] [--model NAME]
                                        [--weights FILE]

Trains every method on half of the videos and photographs (by a hash of their names: tests/benchmarks/masks.py), never
with their masks, and scores `run` with the checkpoint beside `run` with the network that it started from. OUT keeps the
checkpoints and figures: what is there is not made again. The change has a 95 % interval over recordings and seeds
(paired bootstrap).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from masks import Task, change, half, tasks

from streamseg.config import SessionConfig, Spec
from streamseg.evaluation.scoring import score

FIGURES = {"segments_best": "best segment", "segments_union": "union", "free": "free", "jf": "J&F"}
KINDS = "video one", "photographs"
"""Groups of which one half is trained on."""


def recordings(data: Path) -> dict[str, list[Task]]:
    """The recordings of each group of figures."""
    found = [task for task in tasks(data) if task.frame < 0 and task.group in (*KINDS, "video several")]
    groups: dict[str, list[Task]] = {"trained on": [], "same kinds": [], "other kinds": []}
    for task in found:
        own = task.group in KINDS
        groups["other kinds" if not own else "trained on" if half(task.name) == "look" else "same kinds"].append(task)
    return groups


def trained(method: str, data: Sequence[Task], steps: int, seed: int, folder: Path, start: Spec) -> Path:
    """The checkpoint of a run; made unless it is there."""
    if not (folder / "run.json").is_file():
        command = [sys.executable, "-m", "streamseg", "train", method, "-o", str(folder), "--steps", str(steps)]
        command += ["--seed", str(seed), "--size", "192", "--backbone", start.model, "--quiet"]
        command += [part for task in data for part in ("--data", task.source)]
        subprocess.run([*command, *(("--init", start.weights) if start.weights else ())], check=True)
    return folder / "last.pt"


def measured(job: tuple[str, Spec, int]) -> dict[str, float]:
    """Figures of one recording."""
    source, spec, seed = job
    found = score(SessionConfig(source).but(objects=True, seed=seed, spec=spec)).figures
    return {name: float(value) for name in FIGURES if (value := found.get(name)) is not None}


def figures(groups: dict[str, list[Task]], spec: Spec, seed: int, path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """{group: {recording: figures}}, kept in `path`."""
    if not path.is_file():
        jobs = [(group, task) for group, members in groups.items() for task in members]
        found: dict[str, dict[str, dict[str, float]]] = {group: {} for group in groups}
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            results = pool.map(measured, [(task.source, spec, seed) for _, task in jobs])
            for (group, task), result in zip(jobs, results, strict=True):
                found[group][task.name] = result
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    loaded: dict[str, dict[str, dict[str, float]]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--method", "methods", multiple=True, default=("byol", "odin", "selftrain"))
@click.option("--seeds", default=3)
@click.option("--steps", default=150)
@click.option("--model", default="efficientnet_lite0")
@click.option("--weights", default="")
def main(data: Path, output: Path, methods: Sequence[str], seeds: int, steps: int, model: str, weights: str) -> None:
    """See the module."""
    output.mkdir(parents=True, exist_ok=True)
    groups, start = recordings(data), Spec(model, weights)
    before = [figures(groups, start, seed, output / f"start-{seed}.json") for seed in range(seeds)]
    print("| method | figure | " + " | ".join(f"{group}: before, change" for group in groups) + " |")
    print("|---|---|" + "---|" * len(groups))
    for method in methods:
        after = []
        for seed in range(seeds):
            made = trained(method, groups["trained on"], steps, seed, output / f"{method}-{seed}", start)
            after.append(figures(groups, Spec(str(made)), seed, output / f"{method}-{seed}.json"))
        for name, title in FIGURES.items():
            cells = [method, title]
            for group in groups:
                pairs = [
                    (old[group][one][name], new[group][one][name])
                    for old, new in zip(before, after, strict=True)
                    for one in old[group]
                    if name in old[group][one]
                ]
                mean, low, high = change(*map(list, zip(*pairs, strict=True)))  # type: ignore[arg-type]
                cells.append(f"{np.mean([old for old, _ in pairs]):.3f}, {mean:+.3f} [{low:+.3f}, {high:+.3f}]")
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
