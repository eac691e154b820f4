"""CO3D sequence: CATEGORY/SEQUENCE with images/, masks/, depths/, with or without annotation files; PATH#SUBSET

Layout: https://github.com/facebookresearch/co3d, versions 1 and 2. `co3d:apple#fewview_dev/train` has only the frames
of a subset that the set lists of the category define (version 1: `co3d:apple#train_known`).

Masks are probabilities with a threshold of one half. Depth is in the units of the sequence's reconstruction, which are
not metric. Cameras follow the conventions of PyTorch3D and are converted to pixels.
"""

from __future__ import annotations

import itertools
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import FrameError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Skip, split_part
from streamseg.sources.reading.co3d.annotations import records_of
from streamseg.sources.reading.co3d.lists import Part, subset_parts
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
FPS = 30  # of frames without time stamps


def recognizes(uri: str) -> bool:
    folder, _ = split_part(uri)
    return os.path.isdir(folder) and bool(_sequences(Path(folder)))


def expand(uri: str) -> list[str]:
    """Return the sequences of a category or of the whole data set; for PATH#SUBSET those with frames of the subset."""
    path, subset = split_part(uri)
    folders = [_absolute(folder) for folder in _sequences(require_folder(path, "co3d"))]
    if subset:
        return [f"{folder}#{subset}" for folder in subset_parts(folders, subset)]
    return [str(folder) for folder in folders]


def open(uri: str, options: Options) -> FileRecording:
    folder, part = _choose_sequence(uri)
    index = folder.parent / "frame_annotations.jgz"
    if os.path.isfile(index):
        records = records_of(index, folder.name)
        if part:
            records = [record for record in records if record["frame_number"] in part.numbers]
        entries, skipped = _annotated(folder, records, options)
        if entries or skipped:
            return FileRecording(uri, "co3d", entries, options, skipped, notes=_notes(entries))
    entries = _unannotated(folder, options)
    if part:
        entries = [entry for entry in entries if entry.colour.name in part.files]
    return FileRecording(uri, "co3d", entries, options, notes=_notes(entries))


def _notes(entries: list[Entry]) -> list[str]:
    if any(entry.depth is not None and not entry.depth_is_metric for entry in entries):
        return ["depth is in the units of CO3D's own reconstruction, not in metres; --depth-scale makes it metric"]
    return []


def _choose_sequence(uri: str) -> tuple[Path, Part | None]:
    """Return the only sequence at `uri`, and its frames that belong to the subset; None = all. Raises SourceError."""
    path, subset = split_part(uri)
    folders = _sequences(require_folder(path, "co3d"))
    if not subset:
        return _absolute(choose_one(uri, "co3d", folders, "CO3D sequence")), None
    parts = subset_parts(folders, subset)
    folder_by_uri = {Path(f"{folder}#{subset}"): folder for folder in parts}
    folder = folder_by_uri[choose_one(uri, "co3d", list(folder_by_uri), f"{subset} sequence")]
    return _absolute(folder), parts[folder]


def _absolute(folder: Path) -> Path:
    """Return the path without "." and "..", so that its parents are the category and the root of the data set."""
    return Path(os.path.abspath(folder))


def _sequences(path: Path) -> list[Path]:
    """Return the sequences at `path` (a sequence), in it (a category) or two levels below it (the whole data set)."""
    return sequences_at(path, _is_sequence)


def _is_sequence(folder: Path) -> bool:
    """Return whether images/ has a file with a name of CO3D among its first five entries."""
    try:
        with os.scandir(folder / "images") as entries:
            return any(re.fullmatch(r"frame\d{6}\.\w+", item.name) for item in itertools.islice(entries, 5))
    except (OSError, ValueError):
        return False


def _unannotated(folder: Path, options: Options) -> list[Entry]:
    """Return the frames of a sequence without annotations, whose files belong together by their names."""
    masks = masks_by_stem(folder / "masks")
    entries = []
    for i, path in enumerate(images_in(folder / "images")):
        mask = masks.get(path.stem)
        load, problem = _depth(folder / "depths" / f"{path.name}.geometric.png", folder, path.stem, 1.0, options)
        annotation = partial(read_soft_mask, mask) if mask else None
        metric = bool(options.depth_scale)
        entry = Entry(path.stem, i / FPS, path, load, annotation, depth_problem=problem, depth_is_metric=metric)
        entries.append(entry)
    return entries


def _annotated(folder: Path, records: list[dict[str, Any]], options: Options) -> tuple[list[Entry], list[Skip]]:
    """Return the frames of a sequence with annotations, and those whose image or annotation is unusable."""
    root = folder.parent.parent  # paths in annotations are relative to the root of the data set
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
                i / FPS if stamp is None or float(stamp) < 0 else float(stamp),
                path,
                depth=load,
                annotation=partial(read_soft_mask, mask_file) if mask_file and os.path.isfile(mask_file) else None,
                intrinsics=intrinsics_of(record.get("viewpoint"), record["image"]["size"]),
                depth_problem=problem,
                depth_is_metric=bool(options.depth_scale),
            )
        except (KeyError, TypeError, ValueError):
            skipped.append(Skip(f"annotation {i}", "malformed annotation"))
            continue
        entries.append(entry)
    return entries, skipped


def intrinsics_of(viewpoint: dict[str, Any] | None, size: list[int]) -> Intrinsics | None:
    """Return the intrinsics of a PyTorch3D viewpoint in pixels; None if they are missing or implausible.

    size: (height, width) as annotated. The axes of PyTorch3D's normalized device coordinates start at the image centre
    and point left and up. Their unit is half the width and half the height (ndc_norm_image_bounds), or half the shorter
    side (ndc_isotropic).
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
    """Return a function that loads depth file `path` of frame `stem`, and ""; without depth, None and the reason.

    factor: units of the reconstruction per stored unit.
    """
    if not os.path.isfile(path):
        return None, "no depth file" if os.path.isdir(folder / "depths") else "recording has no depth"
    if options.depth_scale:
        factor = 1 / options.depth_scale
    mask = folder / "depth_masks" / f"{stem}.png"
    if os.path.isfile(mask):
        return partial(read_half_depth, path, factor, mask), ""
    if os.path.isdir(mask.parent):
        return None, "no depth mask"
    return partial(read_half_depth, path, factor), ""


def read_half_depth(path: Path, factor: float, mask: Path | None = None) -> np.ndarray:
    """Read a 16-bit file whose values are float16 as (H, W) float32 depth, times `factor`; 0 = no reading.

    mask: image of the reliable readings, which are above 0. Raises FrameError.
    """
    depth = read_uint16(path).view(np.float16).astype(np.float32) * np.float32(factor)
    valid = np.isfinite(depth) & (depth > 0)
    if mask is not None:
        reliable = read_gray(mask) > 0
        if reliable.shape != depth.shape:
            raise FrameError("depth mask and depth differ in size")
        valid &= reliable
    return np.where(valid, depth, np.float32(0))
