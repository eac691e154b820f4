"""Eleven ways to damage a file of a recording of any format. A seed selects the file and the damage."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

TEXTS = {".txt", ".json", ".csv", ".yaml", ".jgz", ""}
COUNTS = re.compile(rb'("(?:w|h|dw|dh|width|height|size|frame_number|message_count)": *\[?)(\d+)')


def files_of(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())


def cut(path: Path, rng: np.random.Generator) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * rng.uniform(0.05, 0.9))])


def cut_at_the_end(path: Path, rng: np.random.Generator) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: -int(rng.integers(1, 40))])


def empty(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(b"")


def other_magic(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(rng.bytes(8) + path.read_bytes()[8:])


def damaged_index(path: Path, rng: np.random.Generator) -> None:
    """Damage the end of the file, where many formats have their index."""
    data = path.read_bytes()
    size = min(64, len(data))
    path.write_bytes(data[:-size] + rng.bytes(size))


def other_counts(path: Path, rng: np.random.Generator) -> None:
    """Multiply a written number by a thousand; in a binary file, change one of the first bytes. In JPEG, change the
    bits per value in the frame header, because a change elsewhere may give a valid file of another image."""
    data = path.read_bytes()
    changed = COUNTS.sub(rb"\g<1>\g<2>000", data)
    place = data.find(b"\xff\xc0") + 4 if path.suffix == ".jpg" else 40
    path.write_bytes(changed if changed != data else data[:place] + b"\x7f" + data[place + 1 :])


def other_format(path: Path, rng: np.random.Generator) -> None:
    """Replace the file by a ZIP archive with a JSON list in it."""
    path.unlink()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata", "[1, 2]")


def absurd_sizes(path: Path, rng: np.random.Generator) -> None:
    """Change a byte near the start of the file; in JPEG, in the frame header."""
    data = path.read_bytes()
    jpeg = data.find(b"\xff\xc0") + 5 if path.suffix == ".jpg" else 0
    place, size = (jpeg, 4) if jpeg else (int(rng.integers(8, 32)), 8)
    path.write_bytes(data[:place] + b"\xff" * size + data[place + size :])


def other_type(path: Path, rng: np.random.Generator) -> None:
    """Replace a depth file by a colour image, and text by letters; in others, write an unknown encoding or zeros after
    the header."""
    data = path.read_bytes()
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is not None and picture.dtype == np.uint16:
        cv2.imwrite(str(path), np.zeros((*picture.shape[:2], 3), np.uint8))
    elif picture is not None or path.suffix in TEXTS:
        path.write_bytes(b'{"a": [null, "b", 1e999]}\n')
    elif b"rgb8" in data:
        path.write_bytes(data.replace(b"rgb8", b"rgb9").replace(b"32FC1", b"64FC1").replace(b"mono16", b"mono15"))
    else:
        path.write_bytes(data[:64] + bytes(200) + data[264:])


def noise(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(rng.bytes(path.stat().st_size))


def absent(path: Path, rng: np.random.Generator) -> None:
    path.unlink()


BREAKS: tuple[Callable[[Path, np.random.Generator], None], ...] = (
    cut,
    cut_at_the_end,
    empty,
    other_magic,
    damaged_index,
    other_counts,
    other_format,
    absurd_sizes,
    other_type,
    noise,
    absent,
)


def break_one(place: Path, number: int, seed: int) -> Path:
    """Damage a file of the recording at `place`, which `seed` selects, in way `number`. Every second way takes a file
    that is no image, if there is one."""
    rng = np.random.default_rng([seed, number])
    files = files_of(place)
    lists = [path for path in files if path.suffix in TEXTS]
    chosen = lists if lists and number % 2 else files
    path = chosen[int(rng.integers(len(chosen)))]
    BREAKS[number](path, rng)
    return path
