"""RGB-D image pairs: colour and depth files side by side (7-Scenes, SUN, APC, Open3D), or in color/ and depth/

Depth files hold 1000 units per metre unless `Options.depth_scale` says otherwise. SUN RGB-D and APC rotate the bits of
each value by three, which is recognized by content; APC then counts 10000 units per metre. NYU's raw disparity is
neither metric nor registered to colour: its frames come without depth and say why.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from streamseg.errors import FrameError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Skip
from streamseg.sources._files import (
    Entry,
    FileRecording,
    folders_in,
    images_in,
    masks_by_stem,
    require_folder,
    unique_names,
)
from streamseg.sources._images import read_mask, read_uint16

PRIORITY = 40
COLOUR = re.compile(r"(?P<id>.*?)(^|[._-])(color|colour|rgb)(?P<rest>$|[._-].*)", re.IGNORECASE)
DEPTH = re.compile(r"(?P<id>.*?)(^|[._-])depth(?P<rest>$|[._-].*)", re.IGNORECASE)
FOLDERS = ("color", "colour", "rgb", "image", "images")
UNITS = {"TUM": 5000.0}  # by the name before "_color"; Open3D's samples mix data sets in one folder
DISPARITY = "raw Kinect disparity, neither metric nor registered"


@dataclass(frozen=True)
class Encoding:
    """How depth files store metres. rotated: each value's 16 bits are rotated left by 3."""

    units_per_metre: float
    rotated: bool = False


def recognizes(uri: str) -> bool:
    return os.path.isdir(uri) and any(depth is not None for _, depth in _pairs(Path(uri)))


def open(uri: str, options: Options) -> FileRecording:
    folder = require_folder(uri, "rgbd")
    pairs = _pairs(folder)
    encodings = _encodings(folder, pairs, options)
    camera = _camera(folder)
    masks = {path.stem.removesuffix(".segm"): path for path in masks_by_stem(folder / "segm").values()}
    entries = []
    for i, ((colour, depth), name) in enumerate(zip(pairs, unique_names(colour for colour, _ in pairs))):
        encoding = encodings[_group(depth)] if depth else "no depth file"
        load = partial(read_metres, depth, encoding) if depth and isinstance(encoding, Encoding) else None
        mask = masks.get(_id(COLOUR, colour))
        entries.append(
            Entry(
                name,
                i / 30,
                colour,
                depth=load,
                annotation=partial(read_mask, mask) if mask else None,
                intrinsics=camera,
                depth_problem="" if isinstance(encoding, Encoding) else encoding,
            )
        )
    used = {depth for _, depth in pairs}
    orphans = [Skip(path.stem, "depth without colour") for path in _depth_files(folder) if path not in used]
    return FileRecording(uri, "rgbd", entries, options, orphans)


def _id(pattern: re.Pattern[str], path: Path) -> str:
    """What a colour and a depth file have in common: the name without the word for its kind."""
    found = pattern.fullmatch(path.stem)
    return f"{found['id']}|{found['rest']}".strip("|") if found else path.stem


def _depth_files(folder: Path) -> list[Path]:
    return [path for path in images_in(folder) if DEPTH.fullmatch(path.stem)] or images_in(folder / "depth")


def _pairs(folder: Path) -> list[tuple[Path, Path | None]]:
    """Colour files with their depth files, by name; first in the folder itself, then in color/ and depth/."""
    files = images_in(folder)
    depth = {_id(DEPTH, path): path for path in files if DEPTH.fullmatch(path.stem)}
    if depth:
        others = [path for path in files if not DEPTH.fullmatch(path.stem)]
        colour = [path for path in others if COLOUR.fullmatch(path.stem)] or [p for p in others if p.stem in depth]
        return [(path, depth.get(_id(COLOUR, path))) for path in colour]
    depth = {_id(DEPTH, path): path for path in images_in(folder / "depth")}
    for inner in folders_in(folder) if depth else []:
        if inner.name.lower() in FOLDERS:
            return [(path, depth.get(_id(COLOUR, path))) for path in images_in(inner)]
    return []


def _group(depth: Path) -> str:
    """Files of one origin share a name up to digits; one folder may hold several origins."""
    return re.sub(r"\d+", "#", depth.name)


def _encodings(folder: Path, pairs: list[tuple[Path, Path | None]], options: Options) -> dict[str, Encoding | str]:
    """How each group stores depth, or the reason why it cannot be used."""
    groups: dict[str, list[Path]] = {}
    for _, depth in pairs:
        if depth is not None:
            groups.setdefault(_group(depth), []).append(depth)
    found: dict[str, Encoding | str] = {}
    for group, paths in groups.items():
        rotated = _rotated(paths)
        if paths[0].suffix.lower() == ".pgm" and options.depth_scale is None:
            found[group] = DISPARITY
        elif rotated is None:
            found[group] = "depth encoding unclear (plain or rotated by 3 bits)"
        else:
            prefix = re.split(r"[._-]", paths[0].stem)[0].upper()
            apc = rotated and os.path.isfile(folder / "cam.info.txt")
            units = 10000.0 if apc else UNITS.get(prefix, 1000.0)
            found[group] = Encoding(options.depth_scale or units, rotated)
    return found


def _rotated(paths: list[Path]) -> bool | None:
    """True if the values of the first readable files are rotated left by 3 bits, None if that cannot be told.

    The lowest 3 bits of rotated readings are 0 below 8192 units, 1 below 16384; of plain ones every value is alike.
    """
    values = []
    for path in itertools.islice(paths, 5):
        try:
            stored = read_uint16(path)
        except FrameError:
            continue
        values.append(np.unique(stored[(stored > 0) & (stored < 65535)]))
    distinct = np.unique(np.concatenate(values)) if values else np.zeros(0, np.uint16)
    if len(distinct) < 16:
        return False
    share = float(np.mean(distinct % 8 <= 1))
    return None if 0.5 < share < 0.9 else share >= 0.9


def read_metres(path: Path, encoding: Encoding) -> np.ndarray:
    """(H, W) float32 metres, 0 = no reading (stored as 0 or 65535)."""
    stored = read_uint16(path)
    stored[stored == 65535] = 0
    if encoding.rotated:
        stored = (stored >> 3) | (stored << 13)
    return stored * np.float32(1 / encoding.units_per_metre)


def _camera(folder: Path) -> Intrinsics | None:
    """Intrinsics of the colour camera from the file that this kind of folder has, or None."""
    for name, read in (
        ("camera-intrinsics.txt", _first_matrix),
        ("cam.info.txt", _colour_matrix),
        ("camera_params.json", _named_numbers),
        ("camera_intrinsic.json", _named_numbers),
    ):
        try:
            return read((folder / name).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue
    return None


def _first_matrix(text: str) -> Intrinsics:
    numbers = [float(part) for line in text.splitlines() if not line.startswith("#") for part in line.split()]
    return Intrinsics(numbers[0], numbers[4], numbers[2], numbers[5])


def _colour_matrix(text: str) -> Intrinsics:
    return _first_matrix(text.split("# Color camera intrinsic matrix", 1)[1].split("#", 1)[0])


def _named_numbers(text: str) -> Intrinsics:
    values = json.loads(text)
    if "intrinsic_matrix" in values:  # Open3D: column by column
        fx, _, _, _, fy, _, cx, cy, _ = values["intrinsic_matrix"]
        return Intrinsics(float(fx), float(fy), float(cx), float(cy))
    cx, cy = (values.get("cx", values.get("x_offset")), values.get("cy", values.get("y_offset")))
    return Intrinsics(float(values["fx"]), float(values["fy"]), float(cx), float(cy))
