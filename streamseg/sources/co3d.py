"""CO3D sequence: CATEGORY/SEQUENCE with images/, masks/, depths/, with or without annotation files; PATH#SUBSET

Layout: https://github.com/facebookresearch/co3d, version 1 and 2. `co3d:apple#fewview_dev/train` has only the frames
of a subset, as the category's set lists tell (version 1: `co3d:apple#train_known`).

Masks are probabilities, cut at one half. Depth is in the units of the sequence's own reconstruction, which are not
metric; cameras follow PyTorch3D's conventions and are turned into pixels.
"""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import FrameError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Skip, split_part
from streamseg.sources.reading.co3d.annotations import records_of
from streamseg.sources.reading.co3d.lists import Part
from streamseg.sources.reading.co3d.lists import parts as parts_of
from streamseg.sources.reading.files import (
    Entry,
    FileRecording,
    choose_one,
    images_in,
    masks_by_stem,
    require_folder,
    sequences_at,
)
from streamseg.sources.reading.images import read_gray, read_uint16
from streamseg.sources.reading.masks import read_soft_mask

PRIORITY = 20


def recognizes(uri: str) -> bool:
    folder, _ = split_part(uri)
    return os.path.isdir(folder) and bool(_sequences(Path(folder)))


def expand(uri: str) -> list[str]:
    """The sequences of a category or of the whole data set, of a subset only those that it has frames of."""
    path, subset = split_part(uri)
    found = [_absolute(folder) for folder in _sequences(require_folder(path, "co3d"))]
    return [f"{folder}#{subset}" for folder in parts_of(found, subset)] if subset else [str(folder) for folder in found]


def open(uri: str, options: Options) -> FileRecording:
    folder, part = _chosen(uri)
    index = folder.parent / "frame_annotations.jgz"
    if os.path.isfile(index):
        records = records_of(index, folder.name)
        if part:
            records = [record for record in records if record["frame_number"] in part.numbers]
        entries, skipped = _annotated(folder, records, options)
        if entries or skipped:
            return FileRecording(uri, "co3d", entries, options, skipped, notes=_notes(entries))
    entries = _bare(folder, options)
    if part:
        entries = [entry for entry in entries if entry.colour.name in part.files]
    return FileRecording(uri, "co3d", entries, options, notes=_notes(entries))


def _notes(entries: list[Entry]) -> list[str]:
    if any(entry.depth is not None and not entry.depth_is_metric for entry in entries):
        return ["depth is in the units of CO3D's own reconstruction, not in metres; --depth-scale makes it metric"]
    return []


def _chosen(uri: str) -> tuple[Path, Part | None]:
    """The one sequence that `uri` means, and what the subset has of it; None = all of it."""
    path, subset = split_part(uri)
    found = _sequences(require_folder(path, "co3d"))
    if not subset:
        return _absolute(choose_one(uri, "co3d", found, "CO3D sequence")), None
    parts = parts_of(found, subset)
    named = {Path(f"{folder}#{subset}"): folder for folder in parts}
    folder = named[choose_one(uri, "co3d", list(named), f"{subset} sequence")]
    return _absolute(folder), parts[folder]


def _absolute(folder: Path) -> Path:
    """Without "." and "..": its parents are the category and the root that the annotations' paths start at."""
    return Path(os.path.abspath(folder))


def _sequences(path: Path) -> list[Path]:
    """The sequence folders at `path` (a sequence), in it (a category) or two levels below it (the whole data set)."""
    return sequences_at(path, _is_sequence)


def _is_sequence(folder: Path) -> bool:
    """True where images/ holds files called as CO3D calls them; the first few are looked at."""
    try:
        with os.scandir(folder / "images") as found:
            return any(re.fullmatch(r"frame\d{6}\.\w+", item.name) for item in itertools.islice(found, 5))
    except (OSError, ValueError):
        return False


def _bare(folder: Path, options: Options) -> list[Entry]:
    """The frames of a sequence without annotations: files that belong together by name."""
    masks = masks_by_stem(folder / "masks")
    entries = []
    for i, path in enumerate(images_in(folder / "images")):
        mask = masks.get(path.stem)
        load, problem = _depth(folder / "depths" / f"{path.name}.geometric.png", folder, path.stem, 1.0, options)
        annotation = partial(read_soft_mask, mask) if mask else None
        entry = Entry(path.stem, i / 30, path, depth=load, annotation=annotation, depth_problem=problem)
        entries.append(replace(entry, depth_is_metric=bool(options.depth_scale)))
    return entries


def _annotated(folder: Path, records: list[dict[str, Any]], options: Options) -> tuple[list[Entry], list[Skip]]:
    root = folder.parent.parent  # the annotations' paths start at the data set's root
    entries, skipped = [], []
    for i, record in enumerate(records):
        try:
            path = root / record["image"]["path"]
            if not os.path.isfile(path):
                skipped.append(Skip(path.stem, "missing file"))
                continue
            depth, mask = record.get("depth") or {}, record.get("mask") or {}
            mask_file = root / mask["path"] if mask.get("path") else None
            load, problem = None, "no depth in the annotations"
            if depth.get("path"):
                factor = float(depth.get("scale_adjustment") or 1.0)
                load, problem = _depth(root / depth["path"], folder, path.stem, factor, options)
            stamp = record.get("frame_timestamp")
            entry = Entry(
                path.stem,
                i / 30 if stamp is None or float(stamp) < 0 else float(stamp),
                path,
                depth=load,
                annotation=partial(read_soft_mask, mask_file) if mask_file and os.path.isfile(mask_file) else None,
                intrinsics=pixels(record.get("viewpoint"), record["image"]["size"]),
                depth_problem=problem,
                depth_is_metric=bool(options.depth_scale),
            )
        except (KeyError, TypeError, ValueError):
            skipped.append(Skip(f"annotation {i}", "malformed annotation"))
            continue
        entries.append(entry)
    return entries, skipped


def pixels(viewpoint: dict[str, Any] | None, size: list[int]) -> Intrinsics | None:
    """Intrinsics in pixels from a PyTorch3D viewpoint; `size` is (height, width) as annotated.

    Normalized device coordinates run to the left and up, from the image's centre; their unit is half the image
    (ndc_norm_image_bounds, each axis its own) or half its shorter side (ndc_isotropic).
    """
    if not viewpoint:
        return None
    half = np.array([size[1], size[0]], float) / 2
    unit = np.full(2, half.min()) if viewpoint.get("intrinsics_format") == "ndc_isotropic" else half
    focal = np.asarray(viewpoint["focal_length"], float) * unit
    centre = half - np.asarray(viewpoint["principal_point"], float) * unit
    camera = Intrinsics(float(focal[0]), float(focal[1]), float(centre[0]), float(centre[1]))
    return camera if camera.plausible else None


def _depth(path: Path, folder: Path, stem: str, factor: float, options: Options) -> tuple[partial | None, str]:
    if not os.path.isfile(path):
        return None, "no depth file" if os.path.isdir(folder / "depths") else "recording has no depth"
    if options.depth_scale:
        factor = 1 / options.depth_scale
    mask = folder / "depth_masks" / f"{stem}.png"
    if not os.path.isfile(mask):
        return (None, "no depth mask") if os.path.isdir(mask.parent) else (partial(read_half_depth, path, factor), "")
    return partial(read_half_depth, path, factor, mask), ""


def read_half_depth(path: Path, factor: float, mask: Path | None = None) -> np.ndarray:
    """(H, W) float32 depth: the 16 bits are a float16, times `factor`; 0 where not finite, negative or masked out."""
    depth = read_uint16(path).view(np.float16).astype(np.float32) * np.float32(factor)
    valid = np.isfinite(depth) & (depth > 0)
    if mask is not None:
        reliable = read_gray(mask) > 0
        if reliable.shape != depth.shape:
            raise FrameError("depth mask and depth differ in size")
        valid &= reliable
    return np.where(valid, depth, np.float32(0))
