"""BOP scene (YCB-V, T-LESS, HOPE ...): SPLIT/SCENE with rgb/ or gray/, depth/, mask_visib/ and scene_camera.json

Layout: https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md. Each frame has its own camera
and depth scale. The visible mask of instance K (the second number in its file's name) becomes object K + 1; a scene
lists its instances in one order, so that ids last. Sets that keep their masks back have no ground truth.
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
from streamseg.sources.reading.depth import Encoding, depth_of
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
COLOUR = ("rgb", "gray")


class Camera(NamedTuple):
    """Of one frame. units_per_metre: of its depth."""

    intrinsics: Intrinsics
    units_per_metre: float


def recognizes(uri: str) -> bool:
    return os.path.isdir(uri) and bool(sequences_at(Path(uri), _is_scene))


def expand(uri: str) -> list[str]:
    """The scenes of a data set, or of a split of it."""
    return sequences_below(require_folder(uri, "bop"), _is_scene)


def open(uri: str, options: Options) -> FileRecording:
    folder = choose_one(uri, "bop", sequences_at(require_folder(uri, "bop"), _is_scene), "BOP scene")
    cameras = _cameras(folder)
    pictures, skipped = _numbered(images_in(_colour(folder)))
    skipped += [Skip(f"{number:06d}", "missing file") for number in sorted(cameras.keys() - pictures.keys())]
    depth, _ = _numbered(images_in(folder / "depth"))
    pairs = [
        (colour, depth[number], Encoding(options.depth_scale or cameras[number].units_per_metre))
        for number, colour in pictures.items()
        if number in depth and number in cameras
    ]
    units = pairs[0][2].units_per_metre if pairs else 1000.0
    scale = DepthScale.choose(options, units, CAMERAS)
    about = depth_of(uri, pairs, scale)
    masks = _masks(folder)
    entries = []
    for number, colour in pictures.items():
        camera, load = cameras.get(number), about.loads.get(colour)
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
    return FileRecording(uri, "bop", entries, options, skipped, notes=about.notes, depth_scale=scale if pairs else None)


def _is_scene(folder: Path) -> bool:
    return os.path.isfile(folder / CAMERAS) and any(has_images(folder / name) for name in COLOUR)


def _colour(folder: Path) -> Path:
    return next(folder / name for name in COLOUR if has_images(folder / name))


def _numbered(paths: Sequence[Path]) -> tuple[dict[int, Path], list[Skip]]:
    """Files by the number that their name is; what has another name, or a number that is taken."""
    found: dict[int, Path] = {}
    skipped = []
    for path in paths:
        if path.stem.isdecimal() and int(path.stem) not in found:
            found[int(path.stem)] = path
        else:
            skipped.append(Skip(path.name, "not named by a number of its own"))
    return dict(sorted(found.items())), skipped


def _cameras(folder: Path) -> dict[int, Camera]:
    """What scene_camera.json says of each frame; frames that it says nothing usable of are left out."""
    try:
        stored = json.loads((folder / CAMERAS).read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError
    except (OSError, ValueError, RecursionError):
        raise SourceError(f"{str(folder / CAMERAS)!r} cannot be read as JSON", "get the data set again") from None
    return {int(key): camera for key, values in stored.items() if key.isdecimal() and (camera := _camera(values))}


def _camera(values: Mapping[str, Any]) -> Camera | None:
    try:
        fx, _, cx, _, fy, cy, _, _, _ = (float(value) for value in values["cam_K"])
        millimetres = float(values.get("depth_scale", 1.0))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not (all(map(math.isfinite, (fx, fy, cx, cy, millimetres))) and fx > 0 and fy > 0 and millimetres > 0):
        return None
    return Camera(Intrinsics(fx, fy, cx, cy), 1000 / millimetres)


def _masks(folder: Path) -> dict[int, list[tuple[int, Path]]]:
    """(instance, file) of the visible masks of each frame."""
    found: dict[int, list[tuple[int, Path]]] = {}
    for path in images_in(folder / "mask_visib"):
        frame, _, instance = path.stem.partition("_")
        if frame.isdecimal() and instance.isdecimal():
            found.setdefault(int(frame), []).append((int(instance), path))
    return found


def paint(masks: Sequence[tuple[int, Path]]) -> np.ndarray:
    """(H, W) uint8 ids: each (instance, mask file) as instance + 1.

    Raises FrameError: unreadable, of several sizes, too many.
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
