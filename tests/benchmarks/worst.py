"""A page of pictures of the recordings where the objects are worst, from a saved run of `masks.py`.

    python tests/benchmarks/masks.py --data FOLDER --half both --save run.json
    python tests/benchmarks/worst.py --data FOLDER --run run.json -o worst.png [--count 24] [--columns 4] [--group NAME]

Of each recording the annotated frame with the worst IoU of foreground is shown: objects in colours, the true ones in a
white contour, and above it the figure of the recording and of the frame. The worst recording comes first; at most a
third of the pictures are of one group. Empty scenes without a false thing, and RGB-D a second time without its camera,
are left out. Pictures are of other people's recordings: look at them, don't publish them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import cv2
import numpy as np
from masks import FIGURE, Task, frames_of, tasks

import streamseg
from streamseg.evaluation.iou import iou
from streamseg.frame import VOID, Frame
from streamseg.masks.drawing import overlay
from streamseg.sources import open_source

SIZE = 320, 240
"""Width and height of a picture on the page, in pixels."""


class Worst(NamedTuple):
    """rgb, objects, truth: of the frame with the lowest IoU of foreground."""

    iou: float
    rgb: np.ndarray
    objects: np.ndarray
    truth: np.ndarray


def worst_frame(task: Task, quality: str) -> Worst | None:
    """The frame of a recording, all of which is run through; None where none is annotated."""
    worst: Worst | None = None
    with streamseg.Segmenter(objects=True, quality=quality) as segmenter:
        for frame, truth in frames(task):
            objects = segmenter.step(frame).objects
            if truth is None or objects is None:
                continue
            figure = iou(objects > 0, truth)
            if worst is None or figure < worst.iou:
                worst = Worst(figure, frame.rgb, objects, truth)
    return worst


def frames(task: Task) -> Iterator[tuple[Frame, np.ndarray | None]]:
    """All frames of a video, with their truth where there is one; of other tasks those that are scored."""
    if task.frame >= 0 or task.group == "empty":
        yield from frames_of(task)
        return
    with open_source(task.source) as source:
        yield from ((frame, frame.annotation) for frame in source)


def picture(worst: Worst, title: str) -> np.ndarray:
    """(h, w, 3) uint8 RGB: the frame in SIZE, below a title."""
    height = worst.rgb.shape[0] * SIZE[0] // worst.rgb.shape[1]
    scale = (SIZE[0], height) if height <= SIZE[1] else (worst.rgb.shape[1] * SIZE[1] // worst.rgb.shape[0], SIZE[1])
    rgb = cv2.resize(worst.rgb, scale, interpolation=cv2.INTER_AREA)
    objects, truth = (cv2.resize(ids, scale, interpolation=cv2.INTER_NEAREST) for ids in (worst.objects, worst.truth))
    drawn = overlay(rgb, objects, legend=False)
    for number in np.unique(truth[(truth > 0) & (truth != VOID)]):
        outlines, _ = cv2.findContours((truth == number).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(drawn, outlines, -1, (255, 255, 255), 1, cv2.LINE_AA)
    page = np.full((SIZE[1] + 20, SIZE[0], 3), 24, np.uint8)
    page[20 : 20 + scale[1], : scale[0]] = drawn
    cv2.putText(page, title, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (230, 230, 230), 1, cv2.LINE_AA)
    return page


def order(run: dict[str, dict[str, dict[str, float]]], groups: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Groups and names of the worst recordings, the worst first."""
    every: list[tuple[float, str, str]] = []
    for group, results in run.items():
        figure = FIGURE.get(group, "f")
        for name, one in results.items():
            if group == "empty" and one[figure] > 0:
                every.append((1 - one[figure], group, name))
            elif group != "empty" and "withheld" not in group and figure in one:
                every.append((one[figure], group, name))
    taken: Counter[str] = Counter()
    chosen = []
    for _, group, name in sorted(every):
        if (not groups or any(part in group for part in groups)) and taken[group] < max(1, count // 3):
            taken[group] += 1
            chosen.append((group, name))
    return chosen[:count]


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--run", "saved", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--count", default=24, show_default=True)
@click.option("--columns", default=4, show_default=True)
@click.option("--quality", type=click.Choice(["live", "high"]), default="live")
@click.option("--group", "groups", multiple=True, help="Only groups whose name holds this.")
def main(data: Path, saved: Path, output: Path, count: int, columns: int, quality: str, groups: Sequence[str]) -> None:
    """See the module."""
    run = json.loads(saved.read_text())
    known = {(task.group, task.name): task for task in tasks(data)}
    pictures = []
    for group, name in order(run, groups, count):
        worst = worst_frame(known[group, name], quality)
        if worst is None:
            continue
        figure = FIGURE.get(group, "f")
        short = name.rpartition("/")[2][:24]
        title = f"{len(pictures) + 1} {short}: {figure} {run[group][name][figure]:.2f}, frame {worst.iou:.2f}"
        pictures.append(picture(worst, title))
        print(f"{len(pictures)} | {group} | {title}", flush=True)
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    rows = [np.hstack(pictures[start : start + columns]) for start in range(0, len(pictures), columns)]
    cv2.imwrite(str(output), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
