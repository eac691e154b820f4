"""Reads TUM's lists of files: lines `stamp path` in rgb.txt and depth.txt, `stamp path stamp path` in associations.txt.

Stamps are in seconds. Other programs write such lists with milliseconds, microseconds or nanoseconds, in UTF-16, or
with backslashes in paths.
"""

from __future__ import annotations

import codecs
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamseg.errors import SourceError
from streamseg.sources import Skip
from streamseg.sources.reading.files import images_in

ASSOCIATIONS = ("associations.txt", "association.txt", "associate.txt", "associated.txt")
UNITS = ((1e9, "nanoseconds"), (1e6, "microseconds"), (1e3, "milliseconds"))


class StampedFile(NamedTuple):
    """A file and its time stamp, in the unit of its list."""

    stamp: float
    path: Path


class Pair(NamedTuple):
    """A line of associations.txt. stamp: the time stamp of the colour file, or its number."""

    stamp: float
    colour: Path
    depth: Path


def read_list(folder: Path, which: str) -> tuple[list[StampedFile], list[Skip]]:
    """Return the files in the list `which`.txt, in order of their stamps, and its unusable lines. Without a list,
    return the files in the folder `which`. Raises SourceError if the list cannot be read."""
    index = folder / f"{which}.txt"
    if not os.path.isfile(index):
        return _stamped_by_name(folder / which), []
    frames: dict[Path, float] = {}
    skipped = []
    for number, line in _lines(index):
        stamp_text, _, name = line.replace(",", " ").replace("\t", " ").partition(" ")
        path, stamp = _resolve(folder, name.strip()), _parse_stamp(stamp_text)
        if not name.strip() or not math.isfinite(stamp):
            skipped.append(Skip(f"{index.name}:{number}", "malformed line in the list"))
        elif path in frames:
            skipped.append(Skip(path.stem, "listed twice"))
        elif not os.path.isfile(path):
            skipped.append(Skip(path.stem, "missing file" if which == "rgb" else f"missing {which} file"))
        else:
            frames[path] = stamp
    return sorted(StampedFile(stamp, path) for path, stamp in frames.items()), skipped


def find_associations(folder: Path) -> Path | None:
    """Return the file that lists pairs, if a pair in it exists; None otherwise."""
    for name in ASSOCIATIONS:
        if os.path.isfile(folder / name):
            pairs, _ = read_pairs(folder / name, max_pairs=1)
            if pairs:
                return folder / name
    return None


def read_pairs(index: Path, max_pairs: int = 0) -> tuple[list[Pair], list[Skip]]:
    """Return the pairs in a file such as associations.txt, in order of their stamps, and its unusable lines.

    Colour or depth may come first: the path with "depth" in it is the depth file. max_pairs: stop after so many; 0 =
    read all. Raises SourceError if the file cannot be read.
    """
    pairs: list[Pair] = []
    skipped = []
    for number, line in _lines(index):
        parts = line.replace(",", " ").split()
        if len(parts) != 4 or not all(math.isfinite(_parse_stamp(parts[i])) for i in (0, 2)):
            skipped.append(Skip(f"{index.name}:{number}", "malformed line in the list"))
            continue
        if "depth" in parts[1].lower():
            parts = parts[2:] + parts[:2]
        stamp, colour, depth = (
            _parse_stamp(parts[0]),
            _resolve(index.parent, parts[1]),
            _resolve(index.parent, parts[3]),
        )
        if os.path.isfile(colour) and os.path.isfile(depth):
            pairs.append(Pair(stamp, colour, depth))
        else:
            skipped.append(Skip(colour.stem, "missing file" if os.path.isfile(depth) else "missing depth file"))
        if max_pairs and len(pairs) == max_pairs:
            break
    return sorted(pairs), skipped


def read_numbers(index: Path, columns: int) -> np.ndarray:
    """Return the lines of `index` that consist of `columns` finite numbers, as (N, columns) float64."""
    rows = [[_parse_stamp(part) for part in line.replace(",", " ").split()] for _, line in _lines(index)]
    complete = [row for row in rows if len(row) == columns and all(map(math.isfinite, row))]
    return np.array(complete, np.float64).reshape(-1, columns)


def stamp_unit(stamps: Sequence[float]) -> tuple[float, str]:
    """Return how many units of sorted time stamps are one second, and the name of the unit, "" for seconds.

    The unit is judged by the interval of whole-numbered stamps, because cameras give 5 to 70 frames per second. If that
    fits no unit, it is judged by the size of the stamps, as times since 1970.
    """
    steps = np.diff(np.asarray(stamps))
    if len(steps) and all(stamp == int(stamp) for stamp in stamps):
        step = float(np.median(steps))
        for unit, name in UNITS:
            if 0.014 <= step / unit <= 0.2:
                return unit, name
    latest = abs(stamps[-1]) if stamps else 0.0
    return next(((unit, name) for unit, name in UNITS if latest >= 5e8 * unit), (1.0, ""))  # 5e8 s: 1985


def _stamped_by_name(folder: Path) -> list[StampedFile]:
    """Return the images of a folder without a list, with their names as stamps; if these are no numbers, with stamps at
    30 frames per second."""
    paths = images_in(folder)
    stamps = [_parse_stamp(path.stem) for path in paths]
    if all(map(math.isfinite, stamps)):
        return sorted(map(StampedFile, stamps, paths))
    return [StampedFile(i / 30, path) for i, path in enumerate(paths)]


def _resolve(folder: Path, name: str) -> Path:
    """Return the path of `name` in `folder`; backslashes separate folders if no file has them in its name."""
    path = folder / name
    return folder / name.replace("\\", "/") if "\\" in name and not os.path.exists(path) else path


def _parse_stamp(text: str) -> float:
    """Return `text` as a number; NaN if it is none, or too large for a time stamp."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if abs(value) < 1e20 else math.nan


def _lines(index: Path) -> list[tuple[int, str]]:
    """Return the lines of a file with their numbers, without comments and empty lines. Raises SourceError."""
    try:
        text = _decode(index.read_bytes())
    except OSError as error:
        raise SourceError(f"{str(index)!r} cannot be read: {error.strerror}", "check its permissions") from None
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if data[1:2] == b"\0" or data[:1] == b"\0":  # UTF-16 without a byte order mark
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", errors="replace")
    return data.decode("utf-8-sig", errors="replace")
