"""One change to a small source or model, chosen by a seed: bytes, names, headers, lists, values of masks and depth."""

from __future__ import annotations

import random
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

PICTURES = {".png", ".jpg", ".webp", ".tif", ".ppm"}
TEXTS = {".txt", ".json"}
NUMBERS = ["nan", "inf", "-1", "0", "1e400", "99999999999999999999", "", "0x10", "1e-320", "'"]
NAMES = ["a b", "é", "..", "#1", "x" * 200, "a%d", "-o", "a\nb", "[red]", "CON", "0", "١", "a:b", "depth", "mask"]

WAYS = ["all 0", "all highest", "noise", "smaller", "transposed", "one pixel", "sixteen bits", "float", "thin"]
FORMS = [("GIF", "P"), ("BMP", "RGB"), ("PNG", "LA"), ("JPEG", "CMYK"), ("TIFF", "1"), ("PNG", "P")]


class Change(NamedTuple):
    """What was changed. kept: the number of frames that must at least be found, by files or by a list."""

    what: str
    kept: int


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def change(folder: Path, frames: int, listed: bool, rng: random.Random) -> Change:
    """Change one thing below `folder`."""
    path = rng.choice(files_of(folder))
    several = len(files_of(folder)) > 2
    kinds: list[Callable[[Path, random.Random], str]] = [flip, cut, repeat, zeros, swap, empty]
    if path.suffix in PICTURES:
        kinds += [claim, values, other_kind] * 2
    if path.suffix in TEXTS:
        kinds += [number, line] * 3
    if path.suffix == ".npy":
        kinds += [array] * 3
    if several:
        kinds += [rename, remove, folder_instead]
    kind = rng.choice(kinds)
    what = f"{kind.__name__} {path.relative_to(folder)}: {kind(path, rng)}"
    kept = frames if several and (kind not in (rename, remove, folder_instead) or listed) else 0
    if path.suffix in TEXTS or ".jgz" in path.name:
        kept = frames - 1 if several and kind in (number, remove) and not listed else 0
    elif several and kept == 0:
        kept = frames - 1
    return Change(what, kept)


def flip(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    places = [rng.randrange(min(len(data), rng.choice([64, 1 << 30]))) for _ in range(rng.choice([1, 1, 4, 32]))]
    for place in places:
        data[place] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"bits at {places[:4]}"


def cut(path: Path, rng: random.Random) -> str:
    data = path.read_bytes()
    end = rng.randrange(len(data))
    path.write_bytes(data[:end])
    return f"{end} of {len(data)} bytes"


def repeat(path: Path, rng: random.Random) -> str:
    data = path.read_bytes()
    start = rng.randrange(len(data))
    path.write_bytes(data[:start] + data[start : start + 999] * 2 + data[start + 999 :])
    return f"at {start}"


def zeros(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    start = rng.randrange(len(data))
    size = min(rng.choice([4, 512, 4096]), len(data) - start)
    data[start : start + size] = bytes([rng.choice([0, 255])]) * size
    path.write_bytes(data)
    return f"{size} at {start}"


def swap(path: Path, rng: random.Random) -> str:
    other = rng.choice(files_of(path.parent))
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)
    return f"with {other.name}"


def empty(path: Path, rng: random.Random) -> str:
    path.write_bytes(b"")
    return ""


def rename(path: Path, rng: random.Random) -> str:
    stem = rng.choice([*NAMES, path.stem.upper() + "_mask", path.stem + " (1)", path.stem.lstrip("0") or "0"])
    target = path.with_name(stem.replace("..", "_") + rng.choice([path.suffix, path.suffix.upper(), ".png", ""]))
    if target.is_dir():
        target = target.with_name(f"{target.name}_")
    path.rename(target)
    return f"to {target.name[:40]!r}"


def remove(path: Path, rng: random.Random) -> str:
    path.unlink()
    return ""


def folder_instead(path: Path, rng: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return ""


def claim(path: Path, rng: random.Random) -> str:
    """Write another size into the header; in a PNG with its checksum."""
    data = bytearray(path.read_bytes())
    sides = [rng.choice([0, 1, 7, 65535, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF]) for _ in range(2)]
    if data[:4] == b"\x89PNG":
        data[16:24] = b"".join(side.to_bytes(4) for side in sides)
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    elif data[:2] == b"P6":
        data[:] = re.sub(
            rb"^P6\s+\d+\s+\d+\s+\d+", b"P6 %d %d %d" % (*sides, rng.choice([0, 1, 255, 70000])), bytes(data)
        )
    elif (at := data.find(b"\xff\xc0")) >= 0:
        data[at + 5 : at + 9] = b"".join((side & 0xFFFF).to_bytes(2) for side in sides)
    else:
        data[4:8] = sides[0].to_bytes(4)
    path.write_bytes(data)
    return f"{sides}"


def values(path: Path, rng: random.Random) -> str:
    """Change the values, sizes and types of the pixels."""
    pixels = np.asarray(Image.open(path))
    how = rng.choice(
        ["all 0", "all highest", "noise", "smaller", "transposed", "one pixel", "sixteen bits", "float", "thin"]
    )
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 255
    noise = np.random.default_rng(rng.randrange(99)).integers(0, top, pixels.shape, endpoint=True)
    made = {
        "all 0": lambda: np.zeros_like(pixels),
        "all highest": lambda: np.full_like(pixels, top),
        "noise": lambda: noise.astype(pixels.dtype),
        "smaller": lambda: pixels[::2, ::2],
        "transposed": lambda: pixels.swapaxes(0, 1),
        "one pixel": lambda: pixels[:1, :1],
        "sixteen bits": lambda: noise.reshape(*pixels.shape[:2], -1)[..., 0].astype(np.uint16),
        "float": lambda: np.full(pixels.shape[:2], np.nan, np.float32),
        "thin": lambda: pixels[:1].repeat(rng.choice([1, 300]), axis=1),
    }[how]()
    form = "TIFF" if how == "float" or path.suffix == ".tif" else "PNG"
    Image.fromarray(np.ascontiguousarray(made)).save(path, form)
    return how


def other_kind(path: Path, rng: random.Random) -> str:
    """Save the same image in another format and mode under the same name."""
    form, mode = rng.choice(
        [("GIF", "P"), ("BMP", "RGB"), ("PNG", "LA"), ("JPEG", "CMYK"), ("TIFF", "1"), ("PNG", "P")]
    )
    Image.open(path).convert("RGB").convert("L" if mode == "LA" else mode).convert(mode).save(path, form)
    return f"{form} {mode}"


def number(path: Path, rng: random.Random) -> str:
    text = path.read_text(encoding="utf-8")
    found = list(re.finditer(r"\d+(\.\d+)?", text))
    one, new = rng.choice(found), rng.choice(NUMBERS)
    path.write_text(text[: one.start()] + new + text[one.end() :], encoding="utf-8")
    return f"{one[0]} to {new!r}"


def line(path: Path, rng: random.Random) -> str:
    """Remove, duplicate, shuffle or rewrite lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    how = rng.choice(["remove", "double", "shuffle", "utf-16", "latin-1", "escape", "nest", "outside", "crlf"])
    place = rng.randrange(len(lines))
    if how == "remove":
        del lines[place]
    elif how == "double":
        lines.insert(place, lines[place])
    elif how == "shuffle":
        rng.shuffle(lines)
    elif how == "escape":
        lines[place] += "\x1b[2J\0"
    elif how == "nest":
        lines[place] = "[" * 100_000
    elif how == "outside":
        lines[place] = "100.0 ../../../etc/passwd"
    coding = how if how in ("utf-16", "latin-1") else "utf-8"
    path.write_bytes(
        (("\r\n" if how == "crlf" else "\n").join(lines) + ("é" if how == "latin-1" else "")).encode(coding, "replace")
    )
    return how


def array(path: Path, rng: random.Random) -> str:
    how = rng.choice(["nan", "objects", "strings", "huge", "3-d", "negative", "zip"])
    made = {
        "nan": np.full((48, 64), np.nan),
        "objects": np.array([[None]], dtype=object),
        "strings": np.array([["a"]]),
        "3-d": np.ones((48, 64, 3)),
        "negative": -np.ones((48, 64), np.float32),
    }
    if how in made:
        np.save(path, made[how], allow_pickle=True)
    elif how == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a", "b")
    else:
        path.write_bytes(path.read_bytes().replace(b"(48, 64)", b"(9999999, 9999999)")[:2000])
    return how
