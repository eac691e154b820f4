"""Folder of images (png jpg bmp webp tif ppm), with or without masks, or a single image file

Masks belong to images of the same stem; they lie in masks/ beside images/, in masks/ inside the folder of images, or,
for a folder called images, in masks/ beside it. How a mask file is read: `_images.read_mask`.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.sources import Options, Skip
from streamseg.sources._files import (
    IMAGE_SUFFIXES,
    Entry,
    FileRecording,
    has_images,
    images_in,
    masks_by_stem,
    require_folder,
    unique_names,
)
from streamseg.sources._images import read_mask

PRIORITY = 70
FPS = 30.0


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
            raise SourceError(f"{uri!r} is no image file", f"images end in {known}; for a video use video:{uri}")
        return FileRecording(uri, "images", [Entry(path.stem, 0.0, path)], options, fps=FPS)
    folder = require_folder(uri, "images")
    if not images_in(folder) and images_in(folder / "images"):
        folder = folder / "images"
    found = images_in(folder)
    paths = _colour(uri, found)
    skipped = [Skip(path.stem, "depth image") for path in sorted(set(found) - set(paths))]
    masks = masks_by_stem(_mask_folder(folder))
    entries = []
    for i, (file, name) in enumerate(zip(paths, unique_names(paths))):
        mask = masks.get(file.stem)
        entries.append(Entry(name, i / FPS, file, annotation=partial(read_mask, mask) if mask else None))
    return FileRecording(uri, "images", entries, options, skipped, fps=FPS)


def _mask_folder(folder: Path) -> Path:
    inside = folder / "masks"
    beside = Path(os.path.abspath(folder)).parent / "masks"
    return beside if not os.path.isdir(inside) and os.path.basename(os.path.abspath(folder)) == "images" else inside


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
