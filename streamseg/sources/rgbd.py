"""RGB-D image pairs: colour and depth files side by side (7-Scenes, SUN, APC, Open3D), or in color/ and depth/

Depth files hold 1000 units per metre unless `Options.depth_scale` says otherwise. SUN RGB-D and APC rotate the bits of
each value by three, which is recognized by content; APC then counts 10000 units per metre. NYU's raw disparity is
neither metric nor registered to colour: its frames come without depth and say why.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import numpy as np

from streamseg.errors import FrameError
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources.reading.cameras import Camera, camera_of, depth_units, is_known
from streamseg.sources.reading.depth import Depth, Encoding, depth_of, estimated_units, first_size, units_of_array
from streamseg.sources.reading.files import (
    Entry,
    FileRecording,
    folders_in,
    images_in,
    listing,
    require_folder,
    unique_names,
)
from streamseg.sources.reading.images import read_uint16
from streamseg.sources.reading.left_out import left_out
from streamseg.sources.reading.truth import folder_of, truth

PRIORITY = 40
COLOUR = re.compile(r"(?P<id>.*?)(^|[._-])(color|colour|rgb)(?P<rest>$|[._-].*)", re.IGNORECASE)
DEPTH = re.compile(r"(?P<id>.*?)(^|[._-])depth(?P<rest>$|[._-].*)", re.IGNORECASE)
NUMBERED = re.compile(r"(\d+)-\d+")
SEVEN_SCENES = re.compile(r"frame-\d{6}\.depth\.")
"""Who writes files with these names writes millimetres as well: 12-Scenes, 3DMatch, BundleFusion, 3RScan."""
FOLDERS = ("color", "colour", "rgb", "image", "images")
UNITS = {"TUM": 5000.0}  # by the name before "_color"; Open3D's samples mix data sets in one folder
MILLIMETRES = 1000.0
YCB_VIDEO = (1066.778, 1077.836)
"""Focal lengths of its two cameras, in pixels: no other set is known to have them."""
DISPARITY = "raw Kinect disparity, neither metric nor registered"


def recognizes(uri: str) -> bool:
    return os.path.isdir(uri) and any(depth is not None for _, depth in _pairs(Path(uri)))


def open(uri: str, options: Options) -> FileRecording:
    folder = require_folder(uri, "rgbd")
    pairs = _pairs(folder)
    colours = [colour for colour, _ in pairs]
    camera = camera_of(folder, uri, first_size(colours))
    told = _told(folder, uri, camera)
    encodings = _encodings(folder, pairs, options, told)
    known = [
        (colour, depth, encoding)
        for colour, depth in pairs
        if depth is not None and isinstance(encoding := encodings[_group(depth)], Encoding)
    ]
    scale = _scale(known, options, told)
    about = depth_of(uri, known, scale) if known else Depth({})
    masks = truth(colours, _mask_folder(folder), name=_mask_name)
    entries = []
    for i, ((colour, depth), name) in enumerate(zip(pairs, unique_names(colours))):
        load = about.loads.get(colour)
        found = encodings[_group(depth)] if depth else "no depth file"
        problem = found if isinstance(found, str) else ""
        entries.append(
            Entry(name, i / 30, colour, load, masks.loads.get(colour), camera.intrinsics, depth_problem=problem)
        )
    used = {depth for _, depth in pairs}
    orphans = [Skip(path.stem, "depth without colour") for path in _depth_files(folder) if path not in used]
    notes = [*about.notes, *masks.notes, *left_out(folder)]
    if known and options.intrinsics is None:
        notes = [*camera.notes, *notes]
    depth_scale = scale if known else None
    return FileRecording(uri, "rgbd", entries, options, orphans, notes=notes, depth_scale=depth_scale)


def _mask_folder(folder: Path) -> Path | None:
    """Masks beside the frames: in segm/ (APC), masks/ ..., of the folder itself or of its folder of pictures."""
    return folder_of(folder) or next(
        (found for inner in folders_in(folder) if inner.name.lower() in FOLDERS and (found := folder_of(inner))), None
    )


def _mask_name(path: Path) -> str:
    """What a colour file and its mask have in common besides the stem: frame-000000 of frame-000000.color."""
    return _id(COLOUR, path).replace("|", "")


def _told(folder: Path, uri: str, camera: Camera) -> DepthScale | None:
    """What a file, the camera or the name of a published set says of the scale."""
    if (given := depth_units(folder)) is not None:
        return DepthScale(*given)
    if camera.intrinsics is not None and round(camera.intrinsics.fx, 3) in YCB_VIDEO:
        return DepthScale(10000.0, "YCB-Video's own, told by its camera")
    known = is_known([Path(uri).name, folder.name, *(parent.name for parent in folder.resolve().parents)])
    return None if known is None else DepthScale(5000.0, "its publishers' scale")


def _scale(known: list[tuple[Path, Path, Encoding]], options: Options, told: DepthScale | None) -> DepthScale:
    """Of the first pair, and who says so; pairs of other scales keep theirs."""
    if options.depth_scale:
        return DepthScale(options.depth_scale, "--depth-scale")
    if not known:
        return DepthScale(MILLIMETRES, "assumed")
    _, depth, encoding = known[0]
    units, rotated = encoding.units_per_metre, encoding.rotated
    if told is not None and units == told.units_per_metre:
        return told
    if depth.suffix.lower() == ".npy":
        return DepthScale(units, "assumed of NumPy's arrays", guessed=True)
    if rotated or _prefix(depth) in UNITS or (units == MILLIMETRES and SEVEN_SCENES.match(depth.name)):
        return DepthScale(units, "the format's own")
    if units != MILLIMETRES:
        why = "assumed, estimated from the values: the usual scale that puts them about a metre away"
        return DepthScale(units, why, guessed=True)
    return DepthScale(units, "assumed, as most cameras have it", guessed=True)


def _id(pattern: re.Pattern[str], path: Path) -> str:
    """What a colour and a depth file have in common: the name without the word for its kind."""
    found = pattern.fullmatch(path.stem)
    return f"{found['id']}|{found['rest']}".strip("|") if found else path.stem


def _depth_files(folder: Path) -> list[Path]:
    found = [path for path in images_in(folder) if DEPTH.fullmatch(path.stem) or re.fullmatch(r"depth\d+", path.stem)]
    return found or _depth_in(folder / "depth")


def _pairs(folder: Path) -> list[tuple[Path, Path | None]]:
    """Colour files with their depth files, by name; first in the folder itself, then in color/ and depth/."""
    files = images_in(folder)
    if beside := _numbered_beside(files):
        return beside
    depth = {_id(DEPTH, path): path for path in files if DEPTH.fullmatch(path.stem)}
    if depth:
        others = [path for path in files if not DEPTH.fullmatch(path.stem)]
        colour = [path for path in others if COLOUR.fullmatch(path.stem)] or [p for p in others if p.stem in depth]
        return [(path, depth.get(_id(COLOUR, path))) for path in colour]
    found = _depth_in(folder / "depth")
    depth = {_id(DEPTH, path): path for path in found}
    for inner in folders_in(folder) if depth else []:
        if inner.name.lower() in FOLDERS:
            colour = images_in(inner)
            if colour and all(NUMBERED.fullmatch(path.stem) for path in (*colour, *found)):
                return _by_number(colour, found)
            return [(path, depth.get(_id(COLOUR, path))) for path in colour]
    return []


def _depth_in(folder: Path) -> list[Path]:
    """Depth files of a folder: pictures or, where there are none, NumPy arrays."""
    return images_in(folder) or [path for path in listing(folder) if path.suffix.lower() == ".npy"]


def _by_number(colour: list[Path], depth: list[Path]) -> list[tuple[Path, Path | None]]:
    """Redwood calls its files NUMBER-STAMP, and the stamps of colour and depth differ: the numbers belong together."""
    table = {found[1]: path for path in depth if (found := NUMBERED.fullmatch(path.stem))}
    return [(path, table.get(found[1]) if (found := NUMBERED.fullmatch(path.stem)) else None) for path in colour]


def _numbered_beside(files: list[Path]) -> list[tuple[Path, Path | None]]:
    """Replica: frame000000.jpg and depth000000.png in one folder."""
    depth = {found[1]: path for path in files if (found := re.fullmatch(r"depth(\d+)", path.stem))}
    frames = [(path, re.fullmatch(r"(?:frame|colou?r|rgb|image)_?(\d+)", path.stem)) for path in files]
    return [(path, depth.get(found[1])) for path, found in frames if found] if depth else []


def _group(depth: Path) -> str:
    """Files of one origin share a name up to digits; one folder may hold several origins."""
    return re.sub(r"\d+", "#", depth.name)


def _prefix(depth: Path) -> str:
    """The word before the first separator of a file's name, which may tell the set it is of."""
    return re.split(r"[._-]", depth.stem)[0].upper()


def _encodings(
    folder: Path, pairs: list[tuple[Path, Path | None]], options: Options, told: DepthScale | None
) -> dict[str, Encoding | str]:
    """How each group stores depth, or the reason why it cannot be used. told: the scale of groups that do not say
    their own, None = estimated from their values."""
    groups: dict[str, list[Path]] = {}
    for _, depth in pairs:
        if depth is not None:
            groups.setdefault(_group(depth), []).append(depth)
    found: dict[str, Encoding | str] = {}
    for group, paths in groups.items():
        rotated = _rotated(paths)
        if paths[0].suffix.lower() == ".pgm" and options.depth_scale is None and told is None:
            found[group] = DISPARITY
        elif rotated is None:
            found[group] = "depth encoding unclear (plain or rotated by 3 bits)"
        else:
            prefix = _prefix(paths[0])
            apc = rotated and os.path.isfile(folder / "cam.info.txt")
            units = 10000.0 if apc else UNITS.get(prefix) or (told.units_per_metre if told else None)
            if units is None:
                array = paths[0].suffix.lower() == ".npy"
                units = units_of_array(paths[0]) if array else estimated_units(paths, rotated)
            found[group] = Encoding(options.depth_scale or units, rotated)
    return found


def _rotated(paths: list[Path]) -> bool | None:
    """True if the values of the first readable files are rotated left by 3 bits, None if that cannot be told.

    The lowest 3 bits of rotated readings are 0 below 8192 units, 1 below 16384; of plain ones every value is alike.
    """
    values = []
    if paths[0].suffix.lower() == ".npy":
        return False
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
