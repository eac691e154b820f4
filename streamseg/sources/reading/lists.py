"""TUM's lists of files: `stamp path` lines of rgb.txt and depth.txt, `stamp path stamp path` of associations.txt.

Stamps are seconds; lists of other programs count milliseconds, microseconds or nanoseconds, are stored as UTF-16, and
write paths with backslashes.
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


class Stamped(NamedTuple):
    """A file and its stamp, in the unit of its list."""

    stamp: float
    path: Path


class Pair(NamedTuple):
    """A line of associations.txt. stamp: of the picture, seconds or a number of it."""

    stamp: float
    colour: Path
    depth: Path


def listed(folder: Path, which: str) -> tuple[list[Stamped], list[Skip]]:
    """Ordered files of the list `which`.txt or, without a list, of the folder `which`; and what is unusable."""
    index = folder / f"{which}.txt"
    if not os.path.isfile(index):
        return _unlisted(folder / which)
    frames: dict[Path, float] = {}
    skipped = []
    for number, line in _lines(index):
        stamp, _, name = line.replace(",", " ").replace("\t", " ").partition(" ")
        path, seconds = _file(folder, name.strip()), _number(stamp)
        if not name.strip() or not math.isfinite(seconds):
            skipped.append(Skip(f"{index.name}:{number}", "malformed line in the list"))
        elif path in frames:
            skipped.append(Skip(path.stem, "listed twice"))
        elif not os.path.isfile(path):
            skipped.append(Skip(path.stem, "missing file" if which == "rgb" else f"missing {which} file"))
        else:
            frames[path] = seconds
    return sorted(Stamped(seconds, path) for path, seconds in frames.items()), skipped


def associations(folder: Path) -> Path | None:
    """The file of pairs, where there is one and its first pair exists."""
    for name in ASSOCIATIONS:
        if os.path.isfile(folder / name):
            pairs, _ = paired(folder / name, enough=1)
            if pairs:
                return folder / name
    return None


def paired(index: Path, enough: int = 0) -> tuple[list[Pair], list[Skip]]:
    """The pairs of a file that names them, in order of the stamps, and what is unusable. Either side may come first:
    the path that holds "depth" is depth's. enough: pairs after which the rest is not read, 0 = all."""
    pairs: list[Pair] = []
    skipped = []
    for number, line in _lines(index):
        parts = line.replace(",", " ").split()
        if len(parts) != 4 or not all(map(math.isfinite, (_number(parts[0]), _number(parts[2])))):
            skipped.append(Skip(f"{index.name}:{number}", "malformed line in the list"))
            continue
        first, second = ((_number(parts[i]), _file(index.parent, parts[i + 1])) for i in (0, 2))
        (stamp, colour), (_, depth) = (second, first) if "depth" in parts[1].lower() else (first, second)
        if os.path.isfile(colour) and os.path.isfile(depth):
            pairs.append(Pair(stamp, colour, depth))
        else:
            skipped.append(Skip(colour.stem, "missing file" if os.path.isfile(depth) else "missing depth file"))
        if enough and len(pairs) == enough:
            break
    return sorted(pairs), skipped


def numbers_in(index: Path, columns: int) -> np.ndarray:
    """(N, columns) float64: the lines of `index` that are so many finite numbers; others are left out."""
    rows = [[_number(part) for part in line.replace(",", " ").split()] for _, line in _lines(index)]
    whole = [row for row in rows if len(row) == columns and all(map(math.isfinite, row))]
    return np.array(whole, np.float64).reshape(-1, columns)


def unit_of(stamps: Sequence[float]) -> tuple[float, str]:
    """How many units of these sorted stamps make a second, and what the unit is called, "" for seconds.

    Steps tell first: cameras give 5 to 70 frames a second, and their stamps in small units are whole numbers. Where
    they do not, times of day since 1970 tell by their size.
    """
    steps = np.diff(np.asarray(stamps))
    if len(steps) and all(stamp == int(stamp) for stamp in stamps):
        step = float(np.median(steps))
        for unit, name in UNITS:
            if 0.014 <= step / unit <= 0.2:
                return unit, name
    latest = abs(stamps[-1]) if stamps else 0.0
    return next(((unit, name) for unit, name in UNITS if latest >= 5e8 * unit), (1.0, ""))  # 5e8 s: 1985


def _unlisted(folder: Path) -> tuple[list[Stamped], list[Skip]]:
    """The files of a folder without a list: their names are the stamps, or else their order at 30 a second."""
    paths = images_in(folder)
    stamps = [_number(path.stem) for path in paths]
    if all(map(math.isfinite, stamps)):
        return sorted(map(Stamped, stamps, paths)), []
    return [Stamped(i / 30, path) for i, path in enumerate(paths)], []


def _file(folder: Path, name: str) -> Path:
    """`name` in `folder`; written on Windows where only that exists."""
    path = folder / name
    return folder / name.replace("\\", "/") if "\\" in name and not os.path.exists(path) else path


def _number(text: str) -> float:
    """NaN where it is none, or one that no clock shows."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if abs(value) < 1e20 else math.nan


def _lines(index: Path) -> list[tuple[int, str]]:
    """Numbered lines with something in them, without comments."""
    try:
        text = _decoded(index.read_bytes())
    except OSError as error:
        raise SourceError(f"{str(index)!r} cannot be read: {error.strerror}", "check its permissions") from None
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if data[1:2] == b"\0" or data[:1] == b"\0":  # UTF-16 without a mark
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", errors="replace")
    return data.decode("utf-8-sig", errors="replace")
