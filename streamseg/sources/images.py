"""Folder of images (png jpg bmp webp tif ppm), with or without masks, or a single image file

Which mask belongs to which image, and where masks lie: `reading.truth`. How a mask file is read: `reading.masks`.
A file with several pictures (a TIFF stack, an animation) gives a frame for each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.sources import Options, Skip
from streamseg.sources.reading.files import (
    IMAGE_SUFFIXES,
    Entry,
    FileRecording,
    has_images,
    images_in,
    require_folder,
    unique_names,
)
from streamseg.sources.reading.headers import lacks_pages, pages
from streamseg.sources.reading.left_out import left_out
from streamseg.sources.reading.truth import Load, folder_of, masks_among, truth

PRIORITY = 70
FPS = 30.0
MULTIPLE = {".tif", ".tiff", ".webp", ".png"}
"""Files that may hold several pictures."""


def recognizes(uri: str) -> bool:
    path = Path(uri)
    if os.path.isfile(path):
        return path.suffix.lower() in IMAGE_SUFFIXES
    return has_images(path) or has_images(path / "images")


def open(uri: str, options: Options) -> FileRecording:
    path = Path(uri)
    if os.path.isfile(path):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            known = ", ".join(sorted(IMAGE_SUFFIXES))
            raise SourceError(f"{uri!r} is not an image file", f"images end in {known}; for a video use video:{uri}")
        skipped = [Skip(f"{path.stem}, its last pictures", "truncated TIFF")] if _is_cut(path) else []
        return FileRecording(uri, "images", _entries([path]), options, skipped, fps=FPS)
    folder = require_folder(uri, "images")
    if not images_in(folder) and images_in(folder / "images"):
        folder = folder / "images"
    found = images_in(folder)
    paths = _colour(uri, found)
    skipped = [Skip(path.stem, "depth image") for path in sorted(set(found) - set(paths))]
    among = masks_among(paths)
    paths = [path for path in paths if path not in among]
    masks = truth(paths, folder_of(folder), among=among)
    skipped += [Skip(f"{path.stem}, its last pictures", "truncated TIFF") for path in paths if _is_cut(path)]
    entries = _entries(paths, masks.loads)
    notes = [*masks.notes, *left_out(folder)]
    return FileRecording(uri, "images", entries, options, skipped, fps=FPS, notes=notes)


def _entries(paths: list[Path], masks: Mapping[Path, Load] | None = None) -> list[Entry]:
    """A frame for each picture of each file; a mask is that of a file with one."""
    entries: list[Entry] = []
    for file, name in zip(paths, unique_names(paths)):
        numbers = pages(file) if file.suffix.lower() in MULTIPLE else [0]
        for page in numbers:
            whole = name if len(numbers) == 1 else f"{name}_{page:05d}"
            load = (masks or {}).get(file) if len(numbers) == 1 else None
            entries.append(Entry(whole, len(entries) / FPS, file, annotation=load, page=page))
    return entries


def _is_cut(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff") and os.path.isfile(path) and lacks_pages(path)


def _colour(uri: str, paths: list[Path]) -> list[Path]:
    """`paths` without depth images, which are told by their names."""
    if not paths:
        raise SourceError(
            f"{uri!r} holds no images", "give a folder with " + ", ".join(sorted(IMAGE_SUFFIXES)) + " files"
        )
    colour = [path for path in paths if not re.search(r"(^|[^a-z])depth([^a-z]|$)", path.stem.lower())]
    if not colour or os.path.basename(os.path.abspath(uri)).lower() in ("depth", "depths"):
        raise SourceError(
            f"{uri!r} holds only depth images ({paths[0].name}, ...)",
            "give the folder above it, or one with colour images",
        )
    return colour
