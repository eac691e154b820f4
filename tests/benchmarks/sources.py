"""Reading speed of recordings, beside decoding alone: python tests/benchmarks/sources.py [RECORDING ...]

Without RECORDING: the sample clip, written in every format at 640x480, and decoding alone, from memory, with the
library that the format needs. The script prints frames, read in order, per second of processor time, which other work
on the machine hardly changes; with colour alone and with depth.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))

import cv2
import numpy as np
from source_kinds import Made, Moment, made

from streamseg.sources import Recording, open_source

FRAMES, TIMES = 200, 5
SAMPLE = Path(__file__).parents[2] / "samples/tabletop"


def rate(work: Callable[[int], Any], count: int) -> str:
    """Calls per second of processor time, the best of TIMES passes."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.process_time()
        for i in range(count):
            work(i)
        best = min(best, time.process_time() - began)
    return f"{count / best:.0f}/s"


def row(name: str, uri: str, alone: Made | None = None) -> str:
    source = open_source(uri)
    assert isinstance(source, Recording)
    count = min(len(source), FRAMES)
    deep = source[0].load_depth is not None
    cells = [rate(lambda i: source[i].rgb, count), rate(lambda i: source[i].depth, count) if deep else ""]
    if alone is not None:
        both = alone.depth and (lambda i: (alone.colour(i), alone.depth(i)))  # type: ignore[misc]
        cells = [cells[0], rate(alone.colour, count), cells[1], rate(both, count) if both else ""]
    return f"| {name} | {count} | {' | '.join(cells)} |"


def main() -> None:
    if sys.argv[1:]:
        print("| recording | frames | colour | colour and depth |\n|---|---|---|---|")
        for uri in sys.argv[1:]:
            print(row(uri.rstrip("/").rsplit("/", 1)[-1], uri), flush=True)
        return
    clip = open_source(str(SAMPLE))
    assert isinstance(clip, Recording)
    frames = [
        Moment(one.rgb, np.rint(one.depth * 1000).astype(np.uint16)) for one in (clip[i] for i in range(len(clip)))
    ]
    cv2.setNumThreads(1)
    print(
        "| source | frames | colour | decoding alone | colour and depth | decoding alone |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name, one in made(Path(folder), frames):
            print(row(name, one.uri, one), flush=True)


if __name__ == "__main__":
    main()
