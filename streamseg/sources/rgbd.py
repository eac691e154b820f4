"""RGB-D image pairs: colour and depth files side by side (7-Scenes, SUN, APC, Open3D), or in color/ and depth/

Depth has the scale that the user, a file or the name of a known data set gives; otherwise it is estimated from the
values. SUN RGB-D and APC rotate the bits of each value by three, which is recognized by the values; APC then has 10000
units per metre. NYU's raw disparity is neither metric nor registered to the colour, so its frames have no depth.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import numpy as np

from streamseg.errors import FrameError
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources.reading.cameras import Camera, camera_of, depth_units, find_known_set
from streamseg.sources.reading.depth import Encoding, depth_loaders, estimate_units, first_size, units_of_array
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
from streamseg.sources.reading.left_out import notes_on_unused
from streamseg.sources.reading.truth import ground_truth, mask_folder_of

PRIORITY = 40
FPS = 30  # of frames without time stamps
COLOUR = re.compile(r"(?P<id>.*?)(^|[._-])(color|colour|rgb)(?P<rest>$|[._-].*)", re.IGNORECASE)
DEPTH = re.compile(r"(?P<id>.*?)(^|[._-])depth(?P<rest>$|[._-].*)", re.IGNORECASE)
NUMBER_AND_STAMP = re.compile(r"(\d+)-\d+")
SEVEN_SCENES = re.compile(r"frame-\d{6}\.depth\.")
"""Names of files in millimetres: 7-Scenes, 12-Scenes, 3DMatch, BundleFusion and 3RScan have them."""
COLOUR_FOLDERS = ("color", "colour", "rgb", "image", "images")
UNITS_BY_PREFIX = {"TUM": 5000.0}  # the samples of Open3D mix data sets in one folder: TUM_color.png, ...
MILLIMETRES = 1000.0
YCB_VIDEO = (1066.778, 1077.836)
"""Focal lengths [pixels] of the two cameras of YCB-Video; no other data set is known to have them."""
DISPARITY = "raw Kinect disparity, neither metric nor registered"


def recognizes(uri: str) -> bool:
    return os.path.isdir(uri) and any(depth is not None for _, depth in _pairs(Path(uri)))


def open(uri: str, options: Options) -> FileRecording:
    folder = require_folder(uri, "rgbd")
    pairs = _pairs(folder)
    colours = [colour for colour, _ in pairs]
    camera = camera_of(folder, uri, first_size(colours))
    documented = _documented_scale(folder, uri, camera)
    encodings = _encodings(folder, pairs, options, documented)
    readable: list[tuple[Path, Path, Encoding]] = []
    problems: dict[Path, str] = {}
    for colour, depth_file in pairs:
        encoding = encodings[_name_pattern(depth_file)] if depth_file else "no depth file"
        if depth_file and isinstance(encoding, Encoding):
            readable.append((colour, depth_file, encoding))
        else:
            problems[colour] = str(encoding)
    scale = _scale(readable, options, documented)
    depth = depth_loaders(uri, readable, scale)
    masks = ground_truth(colours, _mask_folder(folder), name=_mask_name)
    entries = [
        Entry(
            name,
            i / FPS,
            colour,
            depth.loads.get(colour),
            masks.loads.get(colour),
            camera.intrinsics,
            depth_problem=problems.get(colour, ""),
        )
        for i, (colour, name) in enumerate(zip(colours, unique_names(colours)))
    ]
    paired = {depth_file for _, depth_file in pairs}
    skipped = [Skip(path.stem, "depth without colour") for path in _depth_files(folder) if path not in paired]
    notes = [*depth.notes, *masks.notes, *notes_on_unused(folder)]
    if readable and options.intrinsics is None:
        notes = [*camera.notes, *notes]
    depth_scale = scale if readable else None
    return FileRecording(uri, "rgbd", entries, options, skipped, notes=notes, depth_scale=depth_scale)


def _mask_folder(folder: Path) -> Path | None:
    """Return the folder of masks, such as segm/ (APC) or masks/, of `folder` or of its folder of colour images."""
    colour_folders = [inner for inner in folders_in(folder) if inner.name.lower() in COLOUR_FOLDERS]
    mask_folders = map(mask_folder_of, [folder, *colour_folders])
    return next((found for found in mask_folders if found is not None), None)


def _mask_name(path: Path) -> str:
    """Return the stem that the mask of a colour file may have: frame-000000 for frame-000000.color.png."""
    return _frame_id(COLOUR, path).replace("|", "")


def _documented_scale(folder: Path, uri: str, camera: Camera) -> DepthScale | None:
    """Return the scale that a file, the camera or the name of a known data set gives; None if nothing does."""
    if (stated := depth_units(folder)) is not None:
        return DepthScale(*stated)
    if camera.intrinsics is not None and round(camera.intrinsics.fx, 3) in YCB_VIDEO:
        return DepthScale(10000.0, "YCB-Video's own, told by its camera")
    known = find_known_set([Path(uri).name, folder.name, *(parent.name for parent in folder.resolve().parents)])
    return None if known is None else DepthScale(5000.0, "its publishers' scale")


def _scale(readable: list[tuple[Path, Path, Encoding]], options: Options, documented: DepthScale | None) -> DepthScale:
    """Return the scale of the first pair and its origin; pairs may have other scales.

    readable: (colour, depth, encoding) of the pairs whose depth can be read.
    """
    if options.depth_scale:
        return DepthScale(options.depth_scale, "--depth-scale")
    if not readable:
        return DepthScale(MILLIMETRES, "assumed")
    _, depth, encoding = readable[0]
    units, rotated = encoding.units_per_metre, encoding.rotated
    if documented is not None and units == documented.units_per_metre:
        return documented
    if depth.suffix.lower() == ".npy":
        return DepthScale(units, "assumed of NumPy's arrays", guessed=True)
    if rotated or _prefix(depth) in UNITS_BY_PREFIX or (units == MILLIMETRES and SEVEN_SCENES.match(depth.name)):
        return DepthScale(units, "the format's own")
    if units != MILLIMETRES:
        why = "assumed, estimated from the values: the usual scale that puts them about a metre away"
        return DepthScale(units, why, guessed=True)
    return DepthScale(units, "assumed, as most cameras have it", guessed=True)


def _frame_id(pattern: re.Pattern[str], path: Path) -> str:
    """Return what the names of a colour file and its depth file share: the stem without the word color or depth."""
    match = pattern.fullmatch(path.stem)
    return f"{match['id']}|{match['rest']}".strip("|") if match else path.stem


def _depth_files(folder: Path) -> list[Path]:
    files = [path for path in images_in(folder) if DEPTH.fullmatch(path.stem) or re.fullmatch(r"depth\d+", path.stem)]
    return files or _depth_in(folder / "depth")


def _pairs(folder: Path) -> list[tuple[Path, Path | None]]:
    """Return the colour files with their depth files, by name: those of the folder itself, or of color/ and depth/."""
    files = images_in(folder)
    if pairs := _replica_pairs(files):
        return pairs
    depth = {_frame_id(DEPTH, path): path for path in files if DEPTH.fullmatch(path.stem)}
    if depth:
        others = [path for path in files if not DEPTH.fullmatch(path.stem)]
        colour = [path for path in others if COLOUR.fullmatch(path.stem)] or [p for p in others if p.stem in depth]
        return [(path, depth.get(_frame_id(COLOUR, path))) for path in colour]
    depth_files = _depth_in(folder / "depth")
    depth = {_frame_id(DEPTH, path): path for path in depth_files}
    for inner in folders_in(folder) if depth else []:
        if inner.name.lower() in COLOUR_FOLDERS:
            colour = images_in(inner)
            if colour and all(NUMBER_AND_STAMP.fullmatch(path.stem) for path in (*colour, *depth_files)):
                return _redwood_pairs(colour, depth_files)
            return [(path, depth.get(_frame_id(COLOUR, path))) for path in colour]
    return []


def _depth_in(folder: Path) -> list[Path]:
    """Return the images of a folder of depth or, if there are none, its NumPy arrays."""
    return images_in(folder) or [path for path in listing(folder) if path.suffix.lower() == ".npy"]


def _redwood_pairs(colour: list[Path], depth: list[Path]) -> list[tuple[Path, Path | None]]:
    """Pair files of Redwood, whose names are NUMBER-STAMP, by their numbers; stamps of colour and depth differ."""
    depth_by_number = {path.stem.split("-")[0]: path for path in depth}
    return [(path, depth_by_number.get(path.stem.split("-")[0])) for path in colour]


def _replica_pairs(files: list[Path]) -> list[tuple[Path, Path | None]]:
    """Pair files of Replica, frame000000.jpg and depth000000.png in one folder; [] for other names."""
    depth = {match[1]: path for path in files if (match := re.fullmatch(r"depth(\d+)", path.stem))}
    frames = [(path, re.fullmatch(r"(?:frame|colou?r|rgb|image)_?(\d+)", path.stem)) for path in files]
    return [(path, depth.get(match[1])) for path, match in frames if match] if depth else []


def _name_pattern(depth: Path) -> str:
    """Return the name of a file with # for numbers: files of one data set share it, and a folder may hold several."""
    return re.sub(r"\d+", "#", depth.name)


def _prefix(depth: Path) -> str:
    """Return the first word of a file's name, which may be the name of a data set."""
    return re.split(r"[._-]", depth.stem)[0].upper()


def _encodings(
    folder: Path, pairs: list[tuple[Path, Path | None]], options: Options, documented: DepthScale | None
) -> dict[str, Encoding | str]:
    """Return the encoding of the depth files of each name pattern, or the reason why they cannot be used."""
    groups: dict[str, list[Path]] = {}
    for _, depth in pairs:
        if depth is not None:
            groups.setdefault(_name_pattern(depth), []).append(depth)
    encodings: dict[str, Encoding | str] = {}
    for pattern, paths in groups.items():
        rotated = _is_rotated(paths)
        if paths[0].suffix.lower() == ".pgm" and options.depth_scale is None and documented is None:
            encodings[pattern] = DISPARITY
        elif rotated is None:
            encodings[pattern] = "depth encoding unclear (plain or rotated by 3 bits)"
        else:
            units = options.depth_scale or _units(folder, paths, rotated, documented)
            encodings[pattern] = Encoding(units, rotated)
    return encodings


def _units(folder: Path, paths: list[Path], rotated: bool, documented: DepthScale | None) -> float:
    """Return the units per metre of depth files with one name pattern."""
    if rotated and os.path.isfile(folder / "cam.info.txt"):
        return 10000.0  # APC
    if (prefix := _prefix(paths[0])) in UNITS_BY_PREFIX:
        return UNITS_BY_PREFIX[prefix]
    if documented is not None:
        return documented.units_per_metre
    return units_of_array(paths[0]) if paths[0].suffix.lower() == ".npy" else estimate_units(paths, rotated)


def _is_rotated(paths: list[Path]) -> bool | None:
    """Return whether the 16 bits of the values are rotated left by 3; None if the first five files do not show it.

    The lowest 3 bits of rotated readings are 0 below 8192 units and 1 below 16384; those of plain readings take all
    values equally often.
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
