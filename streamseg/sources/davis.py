"""DAVIS sequence: JPEGImages/480p/NAME with Annotations beside it, or a root that holds one such sequence

Layout: https://davischallenge.org. YouTube-VOS, whose paths lack the resolution, opens, too. Masks are ids, 0 =
background, 255 = void. In the masks of single-object DAVIS (0 and 255, no palette) the object gets id 1.
"""

from __future__ import annotations

import os
from pathlib import Path

from streamseg import plugins
from streamseg.errors import SourceError
from streamseg.sources import Options, split_part
from streamseg.sources.reading.files import (
    Entry,
    FileRecording,
    choose_one,
    has_images,
    images_in,
    require_folder,
    sequences_at,
    unique_names,
)
from streamseg.sources.reading.truth import ground_truth

PRIORITY = 30
FPS = 24.0
IMAGES, MASKS = "JPEGImages", ("Annotations", "Annotations_unsupervised")


def recognizes(uri: str) -> bool:
    path = Path(os.path.abspath(uri))
    return os.path.isdir(path) and (IMAGES in path.parts or os.path.isdir(path / IMAGES)) and bool(_sequences(path))


def expand(uri: str) -> list[str]:
    """Return the sequences of a root; for ROOT#YEAR/SET only those that ImageSets/YEAR/SET.txt lists."""
    path, set_name = split_part(uri)
    folders = _sequences(Path(os.path.abspath(require_folder(path, "davis"))))
    if not set_name:
        return [str(folder) for folder in folders]
    sets = Path(path) / "ImageSets"
    known = sorted(str(file.relative_to(sets).with_suffix("")) for file in sets.rglob("*.txt"))
    if set_name not in known:
        raise SourceError(f"{path!r} has no set list {set_name!r}", plugins.did_you_mean(set_name, known))
    listed = {_sequence_of(line) for line in (sets / f"{set_name}.txt").read_text(encoding="utf-8").split("\n")}
    return [str(folder) for folder in folders if folder.name in listed]


def _sequence_of(line: str) -> str:
    """Return the name of the sequence in a line of a set list. Lists of 2017 have one sequence per line, lists of 2016
    the image and the mask of one frame."""
    first = line.split()[0] if line.strip() else ""
    return Path(first).parent.name if "/" in first else first


def open(uri: str, options: Options) -> FileRecording:
    path = Path(os.path.abspath(require_folder(uri, "davis")))
    folder = choose_one(uri, "davis", _sequences(path), "DAVIS sequence")
    paths = images_in(folder)
    masks = ground_truth(paths, _mask_folder(folder))
    names = unique_names(paths)
    entries = [
        Entry(name, i / FPS, file, annotation=masks.loads.get(file)) for i, (file, name) in enumerate(zip(paths, names))
    ]
    return FileRecording(uri, "davis", entries, options, fps=FPS, notes=masks.notes)


def _sequences(path: Path) -> list[Path]:
    """Return the folders of frames at or below `path`: a sequence, a resolution, JPEGImages, or the root above it."""
    if IMAGES not in path.parts:
        path = path / IMAGES
    return sequences_at(path, has_images)


def _mask_folder(sequence: Path) -> Path | None:
    """Return the mask folder of a sequence: its path with the last JPEGImages replaced; None if there is none."""
    parts = list(sequence.parts)
    last = len(parts) - 1 - parts[::-1].index(IMAGES)
    folders = (Path(*parts[:last], name, *parts[last + 1 :]) for name in MASKS)
    return next((folder for folder in folders if has_images(folder)), None)
