"""Fit the scores of objects, and measure how well they are calibrated.

    python tests/benchmarks/scores.py --data FOLDER --half look --fit       # the weights of streamseg/objects/scores.py
    python tests/benchmarks/scores.py --data FOLDER --half final            # the figures on the test set

An object is right if more than half of it lies on true objects; its IoU with the best one is measured as well.
Recordings, groups and halves are those of masks.py, with its empty scenes, in which no object is right. An object in
one frame has weight 1 / sqrt(n) in a recording with n objects, so that long recordings do not dominate the others, and
still count more than a single image. For each group the script prints the mean score beside the share that is right,
the expected calibration error over ten bins of equal width (Naeini et al., AAAI 2015), the average precision of the
scores for being right and for an IoU of at least .5, and how many of the right and of the wrong ones remain above a few
values of --min-score.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import click
import masks
import numpy as np
from _halves import half_option, of_half
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

import streamseg
from streamseg.evaluation.davis import compare
from streamseg.frame import VOID
from streamseg.objects.scores import Cues, score

BINS = 10
LEAST = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)


class Row(NamedTuple):
    """An object in one frame. right: more than half of it lies on true objects; iou: with the best of them."""

    group: str
    name: str
    cues: Cues
    right: bool
    iou: float
    weight: float


def objects_of(job: tuple[masks.Task, str]) -> list[Row]:
    """Every object of one recording whose ground truth is known."""
    task, quality = job
    found: list[tuple[Cues, bool, float]] = []
    with streamseg.Segmenter(objects=True, quality=quality, min_score=0.0) as segmenter:
        for frame, truth in masks.frames_of(task):
            objects = segmenter.step(frame).objects
            assert objects is not None
            table = compare(objects, truth)
            scoring = segmenter._segmenter._scenes.current.objects.scores  # type: ignore[union-attr]
            best = dict(zip(table.found[1:], table.j[1:, 1:].max(axis=1, initial=0), strict=True))
            on = {i: float(np.mean(truth[(objects == i) & (truth != VOID)] > 0)) for i in best}
            found += [(cues, on[i] > 0.5, float(best[i])) for i, cues in scoring.cues.items() if i in best]
    weight = 1 / max(1, len(found)) ** 0.5
    return [Row(task.group, task.name, *one, weight) for one in found]


def fit(rows: Sequence[Row]) -> tuple[Cues, float]:
    """Weights and bias of the logistic regression, with a penalty of 1 on the weights of cues of unit variance. Without
    it the weight of standing on a plane would be infinite, because such objects are nearly always right here."""
    cues = np.array([row.cues for row in rows])
    spread = cues.std(axis=0)
    model = LogisticRegression(C=1.0)
    model.fit(cues / spread, [row.right for row in rows], sample_weight=[row.weight for row in rows])
    return Cues(*(model.coef_[0] / spread).tolist()), float(model.intercept_[0])


def calibration_error(scores: np.ndarray, right: np.ndarray, weights: np.ndarray) -> float:
    """Expected calibration error, 0 ... 1."""
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs(float((weights * (scores - right))[place == b].sum())) for b in range(BINS)]
    return sum(gaps) / float(weights.sum())


def report(rows: Sequence[Row]) -> None:
    """Print the tables."""
    scores = np.array([score(row.cues) for row in rows])
    right, weights = np.array([row.right for row in rows]), np.array([row.weight for row in rows])
    overlaps = np.array([row.iou >= 0.5 for row in rows])
    groups = np.array([row.group for row in rows])
    print("| group | recordings | objects | mean score | right | ECE | AP | AP, IoU .5 | right, wrong kept at ", end="")
    print(", ".join(f"{least:g}" for least in LEAST), "|\n|---|---|---|---|---|---|---|---|---|")
    for group in [*dict.fromkeys(groups.tolist()), "all"]:
        mine = np.full(len(rows), True) if group == "all" else groups == group
        s, r, w = scores[mine], right[mine], weights[mine]
        names = {row.name for row in rows if group in ("all", row.group)}
        aps = [
            f"{average_precision_score(which, s, sample_weight=w):.3f}" if 0 < which.mean() < 1 else "-"
            for which in (r, overlaps[mine])
        ]
        kept = [[f"{np.mean(s[which] >= least):.2f}" if which.any() else "-" for which in (r, ~r)] for least in LEAST]
        cells = [group, str(len(names)), str(len(s)), f"{np.average(s, weights=w):.2f}"]
        cells += [f"{np.average(r, weights=w):.2f}", f"{calibration_error(s, r, w):.3f}", *aps]
        print("|", " | ".join([*cells, ", ".join(" ".join(pair) for pair in kept)]), "|")


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Recordings.")
@half_option("look")
@click.option("--quality", type=click.Choice(["live", "high"]), default="live", show_default=True, help="As in run.")
@click.option("--fit", "fitted", is_flag=True, help="Fit the weights, and print them.")
@click.option("--jobs", default=1, show_default=True, help="Recordings to measure at once.")
@click.option(
    "--rows",
    "file",
    type=click.Path(path_type=Path),
    help="File to store the measured objects in, or to read them from.",
)
def main(data: Path, which: str, quality: str, fitted: bool, jobs: int, file: Path | None) -> None:
    """Fit the scores of objects, or measure their calibration."""
    rows: list[Row] = []
    if file and file.exists():
        kept: list[Any] = json.loads(file.read_text())
        rows = [Row(group, name, Cues(*cues), *rest) for group, name, cues, *rest in kept]
    else:
        chosen = [(task, quality) for task in masks.tasks(data) if not task.withheld]
        chosen = [job for job in chosen if of_half(job[0].name, which)]
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for done, some in enumerate(pool.map(objects_of, chosen), 1):
                rows += some
                print(f"\r{done} of {len(chosen)}", end="", file=sys.stderr)
        if file:
            file.write_text(json.dumps(rows))
    rows = [row for row in rows if of_half(row.name, which)]
    if fitted:
        weights, bias = fit(rows)
        print(f"{weights}, bias {bias:.2f}")
    report(rows)


if __name__ == "__main__":
    main()
