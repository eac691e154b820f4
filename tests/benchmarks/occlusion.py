"""Whether objects get their ids back after occlusion: videos with one annotated object, and a pillar that hides it.

    python tests/benchmarks/occlusion.py --data FOLDER [--half look|final|both] [--seed N]

Frames are shown forwards and backwards, as often as needed. A pillar of the recording's own background enters from the
left, hides the object for 8 or 40 frames, and leaves to the right. Afterwards there is:

    alone       the object, which was the only one
    pair        the object; that of another recording, pasted beside it, stayed in sight
    swap        the other object in its place, which was seen beside it before
    stranger    the other object in its place, which was never seen before: its id should be new

The id of an object is the one that covers most of it, if objects cover half of it. Trials in which the object was found
in most frames before and after are counted: is its id `right`, `new`, or `wrong`, that of another object? `ids` is the
number of ids that an object had over all frames. The session starts on frames from before and after, as with --quality
high.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import cv2
import masks
import numpy as np
from _halves import half_option, of_half

import streamseg
from streamseg.frame import VOID, Frame

KINDS, HIDDEN = ("alone", "pair", "swap", "stranger"), (8, 40)
BEFORE, COMING, AFTER, JUDGED = 20, 6, 16, 8
"""Frames before the pillar comes, while it comes (or goes), after it left, and those before that tell the id."""
WIDEST = 0.6  # pillar, of the picture
Clip = Sequence[tuple[np.ndarray, np.ndarray]]  # frames and masks of their thing
Shown = tuple[int, np.ndarray, np.ndarray, np.ndarray]
"""time, 0 = the pillar has left; rgb; masks of what should be known again and of what was hidden, as far as seen."""


class Trial(NamedTuple):
    """kind: see the module. clip: of the object that is hidden. other: of the other object."""

    name: str
    kind: str
    hidden: int
    clip: Clip
    other: Clip


def trials(data: Path, which: str) -> list[Trial]:
    """All trials on the videos of a half whose object a pillar can hide; the other object is that of the next video."""
    clips = {}
    for task in masks.tasks(data):
        if task.group == "video one" and of_half(task.name, which):
            clip = [(frame.rgb, (truth != VOID) & (truth > 0)) for frame, truth in masks.frames_of(task)]
            if pillar(clip).shape[1] <= WIDEST * clip[0][0].shape[1]:
                clips[task.name] = clip
    pairs = zip(clips.items(), [*list(clips.values())[1:], next(iter(clips.values()))])
    return [Trial(name, kind, n, clip, other) for (name, clip), other in pairs for kind in KINDS for n in HIDDEN]


def pillar(clip: Clip) -> np.ndarray:
    """(H, w, 3): background columns of the first frame, mirrored until they are wider than the object ever is."""
    wide = 8 + int(1.1 * max(np.ptp(np.flatnonzero(mask.any(axis=0))) if mask.any() else 0 for _, mask in clip))
    free = np.flatnonzero(~clip[0][1].any(axis=0))
    strip = clip[0][0][:, max(np.split(free, np.flatnonzero(np.diff(free) > 1) + 1), key=len)]
    while 0 < strip.shape[1] < wide:
        strip = np.concatenate([strip, strip[:, ::-1]], axis=1)
    return strip[:, :wide] if strip.size else clip[0][0]


def pasted(rgb: np.ndarray, other: tuple[np.ndarray, np.ndarray], x: float, y: float, high: float) -> list[np.ndarray]:
    """Paste another recording's object with height `high` and its lower edge at (x, y). Returns rgb and mask."""
    left, top, wide, tall = cv2.boundingRect(other[1].astype(np.uint8))
    scale = min(high / max(tall, 1), 0.5 * rgb.shape[1] / max(wide, 1))
    move = np.array([[scale, 0, x - scale * (left + wide / 2)], [0, scale, y - scale * (top + tall)]])
    picture = cv2.warpAffine(other[0], move, rgb.shape[1::-1], flags=cv2.INTER_AREA)
    there = cv2.warpAffine(other[1].astype(np.uint8), move, rgb.shape[1::-1], flags=cv2.INTER_NEAREST) > 0
    return [np.where(there[..., None], picture, rgb), there]


def without(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The frame without its object, inpainted from the surroundings."""
    hole = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8))
    few, small = (cv2.resize(one, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_NEAREST) for one in (rgb, hole))
    filled = cv2.resize(cv2.inpaint(few, small, 3, cv2.INPAINT_TELEA), rgb.shape[1::-1])
    return np.where(hole[..., None] > 0, filled, rgb)


def frames(trial: Trial) -> Iterator[Shown]:
    """The frames of a trial."""
    strip, gone = pillar(trial.clip), BEFORE + 2 * COMING + trial.hidden
    far, size = strip.shape[1], trial.clip[0][0].shape[1]
    for time in range(gone + AFTER):
        ends = len(trial.clip) - 1, len(trial.other) - 1
        (rgb, first), other = (c[e - abs(e - time % (2 * e))] for c, e in zip((trial.clip, trial.other), ends))
        x, y, wide, high = cv2.boundingRect(first.astype(np.uint8))
        middle, thing, back = x + wide / 2, first, time >= BEFORE + COMING + trial.hidden // 2
        if trial.kind in ("swap", "stranger") and back:
            rgb, thing = pasted(without(rgb, first), other, middle, y + high, high)
        elif trial.kind in ("pair", "swap"):
            rgb, beside = pasted(rgb, other, (middle + size / 2) % size, y + high, high)
            first = first & ~beside
            thing = beside if trial.kind == "swap" else first
        elif trial.kind == "stranger":
            thing = np.zeros_like(first)
        come, left = (time - BEFORE + 1) / (COMING + 1), (gone - time) / (COMING + 1)
        path = (come, (-far, middle - far / 2)) if come < 1 else (left, (size, middle - far / 2))
        at = int(np.interp(path[0], (0, 1), path[1]))
        covered = np.zeros(first.shape, bool)
        covered[:, max(0, at) : max(0, at + far)] = True
        rgb = rgb.copy()
        rgb[covered] = strip[:, max(0, -at) : size - at].reshape(-1, 3)
        yield time - gone, rgb, thing & ~covered, first & ~covered


def usual(names: Sequence[int]) -> int:
    """The most frequent id; 0 if the object was found in less than half of the frames."""
    found = Counter(name for name in names if name)
    return found.most_common(1)[0][0] if 2 * sum(found.values()) >= len(names) > 0 else 0


def id_of(objects: np.ndarray, mask: np.ndarray) -> int:
    """The id that covers most of an object; 0 if objects cover less than half of it."""
    on = np.bincount(objects[mask], minlength=2)
    return int(on[1:].argmax()) + 1 if 2 * on[1:].sum() >= max(1, on.sum()) else 0


def judged(trial: Trial, found: Iterable[tuple[Shown, np.ndarray]]) -> tuple[str, int]:
    """right, new, wrong or not found; and the number of ids of the object. found: with (H, W) uint8 objects."""
    named = [(time, id_of(ids, thing), id_of(ids, first), ids) for (time, _, thing, first), ids in found]
    before = [one for one in named if one[0] < -trial.hidden - 2 * COMING]
    own, first = (usual([one[at] for one in before[-JUDGED:]]) for at in (1, 2))
    after, count = usual([one[1] for one in named if one[0] >= 0]), len({one[1] for one in named} - {0})
    if not (first and after and (own or trial.kind == "stranger")) or (trial.kind == "swap" and own == first):
        return "not found", count
    if any((one[3] == after).any() for one in before):
        return "right" if after == own else "wrong", count
    return "right" if trial.kind == "stranger" else "new", count


def measure(trial: Trial, seed: int) -> tuple[str, int]:
    """Run a trial; see `judged`."""
    shown = list(frames(trial))
    stills = [Frame(i, str(i), i / 30, one[1]) for i, one in enumerate(shown)]
    with streamseg.Segmenter(objects=True, regions=False, seed=seed) as session:
        session._segmenter.start([*stills[:4], *stills[-4:]])
        found = [session.step(one).objects for one in stills]
    return judged(trial, ((one, ids) for one, ids in zip(shown, found) if ids is not None))


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Recordings.")
@half_option("look")
@click.option("--seed", default=0, show_default=True, help="Seed of the session.")
def main(data: Path, which: str, seed: int) -> None:
    """Measure how often objects get their ids back after occlusion."""
    rows: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for trial in trials(data, which):
        rows.setdefault((trial.kind, trial.hidden), []).append(measure(trial, seed))
        print(*trial[:3], *rows[trial.kind, trial.hidden][-1], file=sys.stderr)
    print("| what is there then | frames hidden | found | right | new | wrong | ids |\n" + "|---" * 7 + "|")
    for (kind, hidden), mine in rows.items():
        count = Counter(verdict for verdict, _ in mine)
        cells = [kind, hidden, f"{len(mine) - count['not found']} of {len(mine)}"]
        cells += [count["right"], count["new"], count["wrong"], f"{np.mean([ids for _, ids in mine]):.2f}"]
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
