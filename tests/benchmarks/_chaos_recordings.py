"""Make the recordings of `batch_chaos.py`."""

from __future__ import annotations

import random
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[2]


def make_recordings(folder: Path, count: int, frames: int, rng: random.Random) -> None:
    """Write `count` good recordings, crops of the sample played forwards and backwards, and the three bad ones."""
    pictures = [cv2.imread(str(path)) for path in sorted((ROOT / "samples" / "tabletop" / "rgb").iterdir())]
    there_and_back = pictures + pictures[-2:0:-1]
    for number in range(count):
        first, top, left = rng.randrange(len(there_and_back)), rng.randrange(200), rng.randrange(280)
        some = [there_and_back[(first + at) % len(there_and_back)] for at in range(frames)]
        write(folder / f"rec{number:03d}", [one[top : top + 240, left : left + 320] for one in some])
    write(folder / "poison", pictures)
    write(folder / "hang", pictures)
    (folder / "unreadable").mkdir()
    (folder / "unreadable" / "00000.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")


def write(folder: Path, pictures: list) -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number:05d}.png"), picture)
