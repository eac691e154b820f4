"""Scene cuts: false cuts in recordings of one scene, and missed cuts where two recordings meet.

    python tests/benchmarks/scenes.py SOURCE... [--seed 0]

Every recording is tested alone: with each frame, with each 2nd, 5th and 10th, and with its second half at twice, three
times and half the values. Then every pair of them is joined at a random frame of each. The script prints a Markdown
table. It scales frames down first, and runs nothing but the detection of cuts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import click
import cv2
import numpy as np

from streamseg.config import SourceConfig
from streamseg.features.scenes import STEADY, SceneDetector
from streamseg.sources import Recording, open_source

SIDE = 128


def pictures_of(source: str) -> list[np.ndarray]:
    """The frames of a recording, with a shorter side of SIDE pixels."""
    with open_source(source, SourceConfig()) as recording:
        assert isinstance(recording, Recording)
        return [_small(recording[i].rgb) for i in range(len(recording))]


def _small(rgb: np.ndarray) -> np.ndarray:
    scale = SIDE / min(rgb.shape[:2])
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def told(pictures: Sequence[np.ndarray]) -> list[int]:
    """The number of the scene of each image."""
    scenes = SceneDetector()
    return [scenes(rgb) for rgb in pictures]


def exposed(pictures: Sequence[np.ndarray], gain: float) -> list[np.ndarray]:
    """The images, the second half multiplied by `gain` and clipped at 255."""
    half = len(pictures) // 2
    return [
        *pictures[:half],
        *(np.clip(gain * rgb.astype(np.float32), 0, 255).astype(np.uint8) for rgb in pictures[half:]),
    ]


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--seed", default=0, show_default=True, help="Seed of the frames at which recordings are joined.")
def main(sources: tuple[str, ...], seed: int) -> None:
    """Count false and missed scene cuts on SOURCES."""
    found = {source: pictures_of(source) for source in sources}
    rows = []
    for every in (1, 2, 5, 10):
        wrong = [source for source, pictures in found.items() if len(set(told(pictures[::every]))) > 1]
        count = sum(len(pictures[::every]) for pictures in found.values())
        rows.append((f"one scene, each {every}. frame", f"{count} frames", f"{len(wrong)} cuts {' '.join(wrong)}"))
    long = {source: pictures for source, pictures in found.items() if len(pictures) >= 2 * STEADY}
    for gain in (2.0, 3.0, 0.5):
        wrong = [source for source, pictures in long.items() if len(set(told(exposed(pictures, gain)))) > 1]
        rows.append(
            (f"{gain:g} times the values from the middle on", f"{len(long)}", f"{len(wrong)} {' '.join(wrong)}")
        )
    random, exact, pairs = np.random.default_rng(seed), 0, 0
    for one, other in itertools.permutations(long.values(), 2):
        end, begin = int(random.integers(STEADY, len(one))), int(random.integers(len(other) - STEADY))
        scenes = told([*one[:end], *other[begin : begin + 2 * STEADY]])
        pairs += 1
        exact += scenes[:end] == [1] * end and set(scenes[end:]) == {2}
    rows.append(("two recordings, joined", f"{pairs} pairs", f"{exact} told at their frame"))
    click.echo("| what | how many | found |\n|---|---|---|")
    for row in rows:
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
