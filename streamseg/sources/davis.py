"""DAVIS sequence: JPEGImages/480p/NAME with Annotations beside it, or a root that holds one such sequence

Layout: https://davischallenge.org; YouTube-VOS, which leaves the resolution out, opens too. Masks are ids, 0 =
background, 255 = void; the masks of single-object DAVIS (0 and 255, no palette) give 1 for the object.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from streamseg.sources import Options
from streamseg.sources._files import (
    Entry,
    FileRecording,
    choose_one,
    has_images,
    images_in,
    masks_by_stem,
    require_folder,
    sequences_at,
    unique_names,
)
from streamseg.sources._images import read_mask

PRIORITY = 30
FPS = 24.0
IMAGES, MASKS = "JPEGImages", "Annotations"


def recognizes(uri: str) -> bool:
    path = Path(os.path.abspath(uri))
    return os.path.isdir(path) and (IMAGES in path.parts or os.path.isdir(path / IMAGES)) and bool(_sequences(path))


def open(uri: str, options: Options) -> FileRecording:
    path = Path(os.path.abspath(require_folder(uri, "davis")))
    folder = choose_one(uri, "davis", _sequences(path), "DAVIS sequence")
    masks = masks_by_stem(_annotations(folder))
    paths = images_in(folder)
    entries = []
    for i, (file, name) in enumerate(zip(paths, unique_names(paths))):
        mask = masks.get(file.stem)
        entries.append(Entry(name, i / FPS, file, annotation=partial(read_mask, mask) if mask else None))
    return FileRecording(uri, "davis", entries, options, fps=FPS)


def _sequences(path: Path) -> list[Path]:
    """The folders of frames at or below `path`: a sequence, a resolution, JPEGImages, or the root above it."""
    if IMAGES not in path.parts:
        path = path / IMAGES
    return sequences_at(path, has_images)


def _annotations(sequence: Path) -> Path:
    """The mask folder of a sequence: its path with the last JPEGImages replaced."""
    parts = list(sequence.parts)
    parts[len(parts) - 1 - parts[::-1].index(IMAGES)] = MASKS
    return Path(*parts)
