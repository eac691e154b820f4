"""BOP scene (YCB-V, T-LESS, HOPE ...): SPLIT/SCENE with rgb/ or gray/, depth/, mask_visib/ and scene_camera.json

Layout: https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md. Each frame has its own camera
and depth scale. The visible mask of instance K (the second number in the name of its file) becomes object K + 1. A
scene numbers its instances alike in all frames, so that an id stays with its object. Sets without published masks have
no ground truth.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import VOID, Intrinsics
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources.reading.depth import Encoding, depth_loaders
from streamseg.sources.reading.files import (
    Entry,
    FileRecording,
    choose_one,
    has_images,
    images_in,
    require_folder,
    sequences_at,
    sequences_below,
)
from streamseg.sources.reading.images import read_gray

PRIORITY = 20
CAMERAS = "scene_camera.json"
COLOUR_FOLDERS = ("rgb", "gray")


class Camera(NamedTuple):
    """The camera of one frame, and the scale of its depth."""

    intrinsics: Intrinsics
    units_per_metre: float


def recognizes(uri: str) -> bool:
    return os.path.isdir(uri) and bool(sequences_at(Path(uri), _is_scene))


def expand(uri: str) -> list[str]:
    """Return the scenes of a data set, or of a split of it."""
    return sequences_below(require_folder(uri, "bop"), _is_scene)


def open(uri: str, options: Options) -> FileRecording:
    folder = choose_one(uri, "bop", sequences_at(require_folder(uri, "bop"), _is_scene), "BOP scene")
    cameras = _cameras(folder)
    colours, skipped = _by_number(images_in(_colour_folder(folder)))
    skipped += [Skip(f"{number:06d}", "missing file") for number in sorted(cameras.keys() - colours.keys())]
    depth_files, _ = _by_number(images_in(folder / "depth"))
    pairs = [
        (colour, depth_files[number], Encoding(options.depth_scale or cameras[number].units_per_metre))
        for number, colour in colours.items()
        if number in depth_files and number in cameras
    ]
    units = pairs[0][2].units_per_metre if pairs else 1000.0
    scale = DepthScale.choose(options, units, CAMERAS)
    depth = depth_loaders(uri, pairs, scale)
    masks = _visible_masks(folder)
    entries = []
    for number, colour in colours.items():
        camera, load = cameras.get(number), depth.loads.get(colour)
        problem = "" if load else f"not in {CAMERAS}" if camera is None else "no depth file"
        entries.append(
            Entry(
                f"{number:06d}",
                number / 30,
                colour,
                load,
                partial(paint, tuple(masks[number])) if number in masks else None,
                camera.intrinsics if camera else None,
                depth_problem=problem,
            )
        )
    return FileRecording(uri, "bop", entries, options, skipped, notes=depth.notes, depth_scale=scale if pairs else None)


def _is_scene(folder: Path) -> bool:
    return os.path.isfile(folder / CAMERAS) and any(has_images(folder / name) for name in COLOUR_FOLDERS)


def _colour_folder(folder: Path) -> Path:
    return next(folder / name for name in COLOUR_FOLDERS if has_images(folder / name))


def _by_number(paths: Sequence[Path]) -> tuple[dict[int, Path], list[Skip]]:
    """Return the files whose names are numbers, by number, and the others, with those whose number is taken."""
    numbered: dict[int, Path] = {}
    skipped = []
    for path in paths:
        if path.stem.isdecimal() and int(path.stem) not in numbered:
            numbered[int(path.stem)] = path
        else:
            skipped.append(Skip(path.name, "not named by a number of its own"))
    return dict(sorted(numbered.items())), skipped


def _cameras(folder: Path) -> dict[int, Camera]:
    """Return the camera of each frame in scene_camera.json, by frame number; invalid ones are left out. Raises
    SourceError."""
    try:
        stored = json.loads((folder / CAMERAS).read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError
    except (OSError, ValueError, RecursionError):
        raise SourceError(f"{str(folder / CAMERAS)!r} cannot be read as JSON", "get the data set again") from None
    cameras = {int(key): _camera(values) for key, values in stored.items() if key.isdecimal()}
    return {number: camera for number, camera in cameras.items() if camera is not None}


def _camera(values: Mapping[str, Any]) -> Camera | None:
    """Return the camera of one entry of scene_camera.json; None if it is invalid. depth_scale: millimetres per unit."""
    try:
        fx, _, cx, _, fy, cy, _, _, _ = (float(value) for value in values["cam_K"])
        millimetres = float(values.get("depth_scale", 1.0))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not (all(map(math.isfinite, (fx, fy, cx, cy, millimetres))) and fx > 0 and fy > 0 and millimetres > 0):
        return None
    return Camera(Intrinsics(fx, fy, cx, cy), 1000 / millimetres)


def _visible_masks(folder: Path) -> dict[int, list[tuple[int, Path]]]:
    """Return the visible masks of each frame, by frame number, as (instance, file)."""
    masks: dict[int, list[tuple[int, Path]]] = {}
    for path in images_in(folder / "mask_visib"):
        frame, _, instance = path.stem.partition("_")
        if frame.isdecimal() and instance.isdecimal():
            masks.setdefault(int(frame), []).append((int(instance), path))
    return masks


def paint(masks: Sequence[tuple[int, Path]]) -> np.ndarray:
    """Draw masks, given as (instance, file), into one (H, W) uint8 map of ids, which are instance + 1.

    Raises FrameError if a file is unreadable, sizes differ, or an id is above 254.
    """
    ids: np.ndarray | None = None
    for instance, path in masks:
        visible = read_gray(path) > 0
        ids = np.zeros(visible.shape, np.uint8) if ids is None else ids
        if visible.shape != ids.shape or instance + 1 >= VOID:
            raise FrameError("masks of different sizes" if instance + 1 < VOID else "mask has ids above 254")
        ids[visible] = instance + 1
    assert ids is not None
    return ids
