"""Whether training helps: methods and seeds, on recordings that were trained on, on others, and on other kinds.

    python tests/benchmarks/training.py --data FOLDER -o OUT [--half look|final] [--alone] [--method NAME[*ROUNDS]]...
        [--flags "NAME ..."]... [--seeds N] [--steps N] [--every N] [--model NAME] [--weights FILE]
        [--layers LIST] [--jobs N]

Every method is trained on the development set of the videos and photographs (by a hash of their names: masks.py),
never with their masks. `run` with the checkpoint is scored beside `run` with the network that it started from.
Constants are chosen with --half look: it divides this half again, trains on each part in a folder of its own, scores
both, and uses no other recordings. --alone trains on each recording of the half by itself. A round after the first
continues from the checkpoint of the round before. OUT keeps checkpoints and figures; what exists is not computed
again. A table is printed after each seed. The change has a 95 % confidence interval over recordings, each the mean of
its seeds (paired bootstrap with the width of Student's t: `train.probes.bootstrap`).
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from _halves import half
from masks import STILLS, Task, tasks

from streamseg.config import SessionConfig, Spec
from streamseg.evaluation.scoring import over_seeds
from train.probes.bootstrap import interval

FIGURES = {"segments_best": "best segment", "segments_union": "union", "free": "free", "jf": "J&F"}
KINDS = "video one", "photographs"
"""Groups of which one half is trained on."""
OTHERS = "davis_dogs_jump_240p", "apc_shelf_rgbd_masks", "rgbd_ycbv_0001", "rgbd_ycbv_0049", STILLS[1]
"""Folders of other kinds: several objects, RGB-D, and unrelated photographs."""

Figures = dict[str, dict[str, dict[str, float]]]
"""{group: {recording: {figure: value}}}"""


@dataclass(frozen=True)
class Plan:
    """groups: {group: its sources}. start: the network. flags: of `train`, by method. every: score every N-th frame."""

    groups: dict[str, list[str]]
    start: Spec
    steps: int
    flags: dict[str, list[str]]
    every: int
    jobs: int
    output: Path

    def folder(self, name: str, number: int, seed: int) -> Path:
        """The folder of round `number` of a method."""
        return self.output / f"{name}{number}-{seed}"


def recordings(data: Path, which: str, alone: bool) -> list[dict[str, list[str]]]:
    """The sources of each group of figures, for each training."""
    found: list[Task] = [task for task in tasks(data) if task.frame < 0 and task.group in KINDS]
    if alone:
        return [{"trained on": [task.source]} for task in found if half(task.name) == which]
    looked = [task.source for task in found if half(task.name) == "look"]
    if which == "look":
        parts = looked[::2], looked[1::2]
        return [{"trained on": mine, "same kinds": other} for mine, other in (parts, parts[::-1])]
    same = [task.source for task in found if half(task.name) == "final"]
    return [{"trained on": looked, "same kinds": same, "other kinds": [str(data / name) for name in OTHERS]}]


def train(name: str, number: int, seed: int, plan: Plan) -> Path:
    """The checkpoint of a round; trained unless it exists."""
    folder = plan.folder(name, number, seed)
    if not (folder / "run.json").is_file():
        start = plan.start.model if number == 1 else str(plan.folder(name, number - 1, seed) / "last.pt")
        command = [sys.executable, "-m", "streamseg", "train", name, "-o", str(folder), "--steps", str(plan.steps)]
        command += ["--seed", str(seed), "--size", "192", "--backbone", start, "--quiet"]
        command += ["--probe-every", str(plan.steps)]  # best.pt is of the last step
        command += ["--no-pictures", *plan.flags.get(name, [])]
        command += [part for source in plan.groups["trained on"] for part in ("--data", source)]
        command += ["--init", plan.start.weights] if plan.start.weights and number == 1 else []
        command += ["--layers", ",".join(map(str, plan.start.layers))] if plan.start.layers and number == 1 else []
        if number == 1:
            _take_objects(folder, seed)
        subprocess.run(command, check=True)
    return folder / "best.pt"


def _take_objects(folder: Path, seed: int) -> None:
    """Copy the objects that another method found: with the same starting network they are the same."""
    for done in sorted(folder.parent.glob(f"*1-{seed}/objects.json")):
        if not folder.exists():
            shutil.copytree(done.parent / "objects", folder / "objects")
            shutil.copy(done, folder / "objects.json")


def measured(job: tuple[str, Spec, int, int]) -> dict[str, float]:
    """The figures of one recording."""
    source, spec, seed, every = job
    alone = Path(source).name in STILLS
    setup = SessionConfig(source).but(objects=True, seed=seed, spec=spec)
    found = over_seeds(setup, 1, every=1 if alone else every, singly=alone)[0].figures
    return {name: float(value) for name in FIGURES if (value := found.get(name)) is not None}


def figures(spec: Spec, seed: int, path: Path, plan: Plan) -> Figures:
    """The figures of a network, stored in `path`."""
    if not path.is_file():
        asked = [(group, source) for group, members in plan.groups.items() for source in members]
        found: Figures = {group: {} for group in plan.groups}
        with ProcessPoolExecutor(plan.jobs, mp_context=get_context("spawn")) as pool:
            results = pool.map(measured, [(source, spec, seed, plan.every) for _, source in asked])
            for (group, source), result in zip(asked, results, strict=True):
                found[group][Path(source).name] = result
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    loaded: Figures = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def pooled(found: Sequence[Figures]) -> Figures:
    """The figures of several trainings that share no recording of a group."""
    return {group: {name: one for figures in found for name, one in figures[group].items()} for group in found[0]}


def cell(before: Sequence[Figures], after: Sequence[Figures], group: str, figure: str) -> str:
    """The figure before, and its change with an interval over recordings, each the mean of its seeds."""
    names = [one for one, values in before[0][group].items() if figure in values]

    def means(runs: Sequence[Figures]) -> list[float]:
        return [float(np.mean([one[group][name][figure] for one in runs])) for name in names]

    change = np.subtract(means(after), means(before))
    low, high = interval(change, np.arange(len(change)), macro=False)
    return f"{np.mean(means(before)):.3f}, {change.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def rows(title: str, before: Sequence[Figures], after: Sequence[Figures]) -> None:
    """Print the rows of a method, below a header."""
    print("\n| method | figure | " + " | ".join(f"{group}: before, change" for group in before[0]) + " |")
    print("|---|---|" + "---|" * len(before[0]))
    for figure, meaning in FIGURES.items():
        cells = [cell(before, after, group, figure) for group in before[0]]
        print("| " + " | ".join([title, meaning, *cells]) + " |", flush=True)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Recordings.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the results.")
@click.option(
    "--half",
    "which",
    type=click.Choice(["look", "final"]),
    default="look",
    show_default=True,
    help="look = development set, in two parts; final = test set.",
)
@click.option("--alone", is_flag=True, help="Train on each recording of the half by itself.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    default=("byol", "dino", "odin", "selftrain*3"),
    show_default=True,
    help="A method, or NAME*ROUNDS.",
)
@click.option("--flags", multiple=True, help='Flags of a method: "distill --teacher NAME".')
@click.option("--seeds", default=3, show_default=True, help="Trainings of each method.")
@click.option("--steps", default=150, show_default=True, help="Steps of each training.")
@click.option("--every", default=1, show_default=True, help="Score every N-th frame.")
@click.option("--model", default="efficientnet_lite0", show_default=True, help="The starting network.")
@click.option("--weights", default="", help="Its weights, if not its own.")
@click.option("--layers", default="", help="Its layers, as in train.")
@click.option("--jobs", default=2, show_default=True, help="Recordings to score at once.")
def main(
    data: Path,
    output: Path,
    which: str,
    alone: bool,
    methods: Sequence[str],
    flags: Sequence[str],
    seeds: int,
    steps: int,
    every: int,
    model: str,
    weights: str,
    layers: str,
    jobs: int,
) -> None:
    """Train each method without masks, and score the masks of `run` before and after."""
    output.mkdir(parents=True, exist_ok=True)
    given = {parts[0]: parts[1:] for parts in map(shlex.split, flags)}
    start = Spec(model, weights, tuple(map(int, filter(None, layers.split(",")))))
    groups = recordings(data, which, alone)
    folders = [output] if len(groups) == 1 else [output / str(number) for number in range(len(groups))]
    plans = [Plan(one, start, steps, given, every, jobs, folder) for one, folder in zip(groups, folders, strict=True)]
    asked = [one.partition("*") for one in methods]
    rounds = [(name, number) for name, _, count in asked for number in range(1, int(count or 1) + 1)]
    before: list[Figures] = []
    after: dict[tuple[str, int], list[Figures]] = {one: [] for one in rounds}
    for seed in range(seeds):
        before.append(pooled([figures(start, seed, plan.output / f"start-{seed}.json", plan) for plan in plans]))
        for one in rounds:
            made = [(plan, train(*one, seed, plan)) for plan in plans]
            found = [figures(Spec(str(file)), seed, file.parent.with_suffix(".json"), plan) for plan, file in made]
            after[one].append(pooled(found))
            rows(f"`{one[0]}`, round {one[1]}, seeds 0 to {seed}", before, after[one])


if __name__ == "__main__":
    main()
