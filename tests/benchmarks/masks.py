"""Objects on everything labelled, by groups, against a saved run.

    python tests/benchmarks/masks.py --data FOLDER [--half look|final|both] [--quality live|high] [--save run.json]
                                     [--against run.json] [--group NAME]... [--seed N] [--seeds N]
                                     [--model NAME|FILE]

Groups: video with one object, video with several, RGB-D (camera given, and withheld), photographs, and ten empty
scenes, of which the false things a frame are counted. Frames of scenes that do not belong together (OSD, stills) are
recordings of their own. Which half a recording belongs to is told by a hash of its name: constants are chosen on "look"
only. Prints, for each half, the mean of each group, with its standard deviation between seeds, its five worst, and the
change against a saved run with a 95 % interval over recordings (paired bootstrap).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import _empty_scenes
import click
import numpy as np
from _halves import half, half_option, of_half
from _networks import Opened

import streamseg
from streamseg.config import ObjectsConfig, SessionConfig, Spec, from_flags
from streamseg.evaluation.iou import iou
from streamseg.evaluation.overlap import overlap
from streamseg.evaluation.scoring import score
from streamseg.frame import Frame
from streamseg.sources import Recording, open_source
from train.probes.bootstrap import interval

VIDEO_ONE = ("davis16_train/JPEGImages/480p/*", "davis_car_shadow/JPEGImages/480p/*")
VIDEO_SEVERAL = ("davis_dogs_jump_240p",)
PHOTOGRAPHS = ("co3d_hydrant", "co3d_backpack", "multiview_espresso", "multiview_robot")
STILLS = ("stills_coco_val", "stills_davis17_challenge")
RGBD = ("rgbd_osd", "rgbd_ycbv_0001", "rgbd_ycbv_0049", "rgbd_arc2017_single")
FIGURE = {"video one": "free", "video several": "jf", "photographs": "free", "stills": "f", "empty": "false things"}
Found = dict[str, dict[str, dict[str, float]]]
"""Figures by group and recording."""
_networks = Opened()  # of a process


@dataclass(frozen=True)
class Task:
    """One recording, or with `frame` one frame of it. withheld: the camera is not told."""

    group: str
    name: str
    source: str
    frame: int = -1
    withheld: bool = False


def tasks(data: Path) -> Iterator[Task]:
    """Everything labelled below `data`."""
    for group, patterns in (("video one", VIDEO_ONE), ("video several", VIDEO_SEVERAL), ("photographs", PHOTOGRAPHS)):
        for pattern in patterns:
            for path in sorted(data.glob(pattern)):
                yield Task(group, path.name, str(path))
    for folder in STILLS:
        yield from _singly("stills", data / folder)
    for folder in RGBD:
        single = "osd" in folder or "single" in folder
        for withheld in (False, True):
            group = f"{folder.partition('_')[2]}, camera {'withheld' if withheld else 'given'}"
            if single:
                yield from _singly(group, data / folder, withheld)
            else:
                yield Task(group, folder, str(data / folder), withheld=withheld)
    for scene in _empty_scenes.SCENES:
        if (data / scene.source).exists():
            yield Task("empty", scene.name, str(data))


def _singly(group: str, path: Path, withheld: bool = False) -> Iterator[Task]:
    if path.is_dir():
        source = opened(str(path))
        for index in range(len(source)):
            yield Task(group, f"{path.name}/{source.name_of(index)}", str(path), index, withheld)


@cache
def opened(path: str) -> Recording:
    """The recording, which stays open: single pictures come from one again and again."""
    source = open_source(path)
    assert isinstance(source, Recording)
    return source


def frames_of(task: Task) -> Iterator[tuple[Frame, np.ndarray]]:
    """The frames of a task that are annotated, with what is known of their truth; VOID elsewhere."""
    if task.group == "empty":
        for frame in _empty_scenes.frames(task.name, Path(task.source)):
            yield frame, np.zeros(frame.rgb.shape[:2], np.uint8)
        return
    source = opened(task.source)
    for index in [task.frame] if task.frame >= 0 else range(len(source)):
        frame = source[index]
        if frame.load_annotation is None or frame.annotation is None:
            continue
        yield replace(frame, intrinsics=None) if task.withheld else frame, frame.annotation.astype(np.uint8)


def false_things(task: Task, settings: dict[str, Any]) -> dict[str, float]:
    """Of an empty scene: objects found, a frame."""
    counts = []
    with streamseg.Segmenter(objects=True, **settings) as segmenter:
        for frame, _ in frames_of(task):
            objects = segmenter.step(frame).objects
            assert objects is not None
            counts.append(len(np.unique(objects[objects > 0])))
    return {"false things": float(np.mean(counts))}


def measure(task: Task, settings: dict[str, Any]) -> dict[str, float]:
    """The figures of one task. settings: as `streamseg.Segmenter` takes them."""
    if task.group == "empty":
        return false_things(task, settings)
    if task.frame < 0 and not task.group.startswith(("ycbv",)):
        config = SessionConfig(task.source, **from_flags({"objects": True} | settings))
        found = score(config).figures
        return {name: value for name in ("free", "best", "jf", "id_ratio") if (value := found[name]) is not None}
    results = []
    with streamseg.Segmenter(objects=True, **settings) as segmenter:
        for frame, truth in frames_of(task):
            objects = segmenter.step(frame).objects
            assert objects is not None
            results.append(_figures(objects, truth))
    return {name: float(np.mean([one[name] for one in results])) for name in results[0]}


def _figures(objects: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    found = overlap(objects, truth)
    free = iou(objects > 0, truth)
    return {"f": found.f, "at_75": found.at_75, "free": free, "found": float(found.found), "true": float(found.true)}


def _done(job: tuple[Task, dict[str, Any], int]) -> tuple[Task, list[dict[str, float]]]:
    """The figures with each of so many seeds."""
    task, settings, seeds = job
    with _networks.instead():
        found = [measure(task, settings | {"seed": settings["seed"] + i}) for i in range(seeds)]
    _networks.forget()
    return task, found


def report(seeds: Sequence[Found], before: Found) -> None:
    """Print the table of groups, of what was found with each seed."""
    print("| group | n | figure | mean | at .75 | change | worst |\n|---|---|---|---|---|---|---|")
    for group, results in mean_of(seeds).items():
        figure = FIGURE.get(group, "f")
        values = {name: one[figure] for name, one in results.items() if figure in one}
        if not values:
            continue
        at = [one["at_75"] for one in results.values() if "at_75" in one]
        order = sorted(values, key=values.__getitem__, reverse=group == "empty")
        worst = ", ".join(f"{name} {values[name]:.2f}" for name in order[:5])
        old = before.get(group, {})
        shared = [name for name in values if figure in old.get(name, {})]
        moved = ""
        if shared:
            change = np.array([values[name] - old[name][figure] for name in shared])
            low, high = interval(change, np.arange(len(change)), macro=False, stretched=False)
            moved = f"{change.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        means = [np.mean([one[figure] for one in found[group].values() if figure in one]) for found in seeds]
        spread = f" ± {np.std(means, ddof=1):.3f}" if len(seeds) > 1 else ""
        cells = [group, str(len(values)), figure, f"{np.mean(means):.3f}{spread}"]
        print(" | ".join(["", *cells, f"{np.mean(at):.2f}" if at else "", moved, worst, ""]).strip())


def mean_of(seeds: Sequence[Found]) -> Found:
    """The mean of each figure over the seeds."""
    return {
        group: {
            name: {key: float(np.mean([found[group][name].get(key, np.nan) for found in seeds])) for key in one}
            for name, one in results.items()
        }
        for group, results in seeds[0].items()
    }


def of(which: str, found: Found) -> Found:
    """What was found in one half."""
    return {group: {name: one for name, one in them.items() if half(name) == which} for group, them in found.items()}


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@half_option("look")
@click.option("--quality", type=click.Choice(["live", "high"]), default="live")
@click.option("--group", "groups", multiple=True, help="Only groups whose name holds this.")
@click.option("--seed", default=0)
@click.option("--seeds", default=1, show_default=True, help="So many, from --seed on.")
@click.option("--min-score", "least", default=ObjectsConfig.min_score, show_default=True, help="As in run.")
@click.option("--model", default=Spec.model, show_default=True, help="As in run.")
@click.option("--jobs", default=2)
@click.option("--save", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path, exists=True))
def main(
    data: Path,
    which: str,
    quality: str,
    groups: Sequence[str],
    seed: int,
    seeds: int,
    least: float,
    model: str,
    jobs: int,
    save: Path | None,
    against: Path | None,
) -> None:
    """See the module."""
    settings = {"quality": quality, "seed": seed, "min_score": least, "model": model}
    chosen = [
        (task, settings, seeds)
        for task in tasks(data)
        if of_half(task.name, which) and (not groups or any(part in task.group for part in groups))
    ]
    found: list[Found] = [{} for _ in range(seeds)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for task, results in pool.map(_done, chosen):
            for one, figures in zip(found, results, strict=True):
                one.setdefault(task.group, {})[task.name] = figures
            print(f"\r{sum(map(len, found[0].values()))} of {len(chosen)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    before = json.loads(against.read_text()) if against else {}
    for name in ("look", "final") if which == "both" else (which,):
        print(f"\n{name} half\n")
        report([of(name, one) for one in found], before)
    if save:
        save.write_text(json.dumps(mean_of(found), indent=1))


if __name__ == "__main__":
    main()
