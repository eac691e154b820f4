"""Folder of images (png jpg bmp webp tif ppm), with or without masks, or a single image file

`reading.truth` finds the mask of each image, and `reading.masks` reads it. A file with several pages (a TIFF stack, an
animation) gives one frame for each page.
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
from streamseg.sources.reading.left_out import DEPTH_FOLDERS, notes_on_depth_beside, notes_on_unused
from streamseg.sources.reading.truth import Load, ground_truth, mask_folder_of, masks_among

PRIORITY = 70
FPS = 30.0
MULTIPAGE = {".tif", ".tiff", ".webp", ".png"}
"""Suffixes of files that may have several pages."""


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
        _without_depth(uri, [path])
        skipped = _truncated([path])
        return FileRecording(uri, "images", _entries([path]), options, skipped, fps=FPS)
    folder = require_folder(uri, "images")
    if not images_in(folder) and images_in(folder / "images"):
        folder = folder / "images"
    files = images_in(folder)
    paths = _without_depth(uri, files)
    skipped = [Skip(path.stem, "depth image") for path in sorted(set(files) - set(paths))]
    among = masks_among(paths)
    paths = [path for path in paths if path not in among]
    masks = ground_truth(paths, mask_folder_of(folder), among=among)
    skipped += _truncated(paths)
    entries = _entries(paths, masks.loads)
    notes = [*masks.notes, *notes_on_unused(folder), *notes_on_depth_beside(path)]
    return FileRecording(uri, "images", entries, options, skipped, fps=FPS, notes=notes)


def _entries(paths: list[Path], masks: Mapping[Path, Load] | None = None) -> list[Entry]:
    """Return a frame for each page of each file. Only files with a single page have ground truth."""
    entries: list[Entry] = []
    for file, stem in zip(paths, unique_names(paths)):
        numbers = pages(file) if file.suffix.lower() in MULTIPAGE else [0]
        if len(numbers) == 1:
            load = masks.get(file) if masks else None
            entries.append(Entry(stem, len(entries) / FPS, file, annotation=load, page=numbers[0]))
        else:
            entries += [
                Entry(f"{stem}_{page:05d}", (len(entries) + i) / FPS, file, page=page) for i, page in enumerate(numbers)
            ]
    return entries


def _truncated(paths: list[Path]) -> list[Skip]:
    """Return what is missing at the end of TIFF files that are cut off."""
    tiffs = [path for path in paths if path.suffix.lower() in (".tif", ".tiff") and os.path.isfile(path)]
    return [Skip(f"{path.stem}, its last pictures", "truncated TIFF") for path in tiffs if lacks_pages(path)]


def _without_depth(uri: str, paths: list[Path]) -> list[Path]:
    """Return `paths` without depth images, which have the word depth in their names. Raises SourceError if no colour
    image is left."""
    if not paths:
        raise SourceError(
            f"{uri!r} holds no images", "give a folder with " + ", ".join(sorted(IMAGE_SUFFIXES)) + " files"
        )
    colour = [path for path in paths if not re.search(r"(^|[^a-z])depth([^a-z]|$)", path.stem.lower())]
    if not colour or Path(os.path.abspath(paths[0])).parent.name.lower() in DEPTH_FOLDERS:
        holds = "is a depth image" if os.path.isfile(uri) else f"holds only depth images ({paths[0].name}, ...)"
        raise SourceError(f"{uri!r} {holds}", "give colour images, or the folder that contains both colour and depth")
    return colour
