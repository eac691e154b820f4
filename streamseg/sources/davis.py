"""DAVIS sequence: JPEGImages/480p/NAME with Annotations beside it, or a root that holds one such sequence

Layout: https://davischallenge.org; YouTube-VOS, which leaves the resolution out, opens too. Masks are ids, 0 =
background, 255 = void; the masks of single-object DAVIS (0 and 255, no palette) give 1 for the object.
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
from streamseg.sources.reading.truth import truth

PRIORITY = 30
FPS = 24.0
IMAGES, MASKS = "JPEGImages", ("Annotations", "Annotations_unsupervised")


def recognizes(uri: str) -> bool:
    path = Path(os.path.abspath(uri))
    return os.path.isdir(path) and (IMAGES in path.parts or os.path.isdir(path / IMAGES)) and bool(_sequences(path))


def expand(uri: str) -> list[str]:
    """The sequences of a root; of ROOT#YEAR/SET only those that ImageSets/YEAR/SET.txt names."""
    path, chosen = split_part(uri)
    folders = _sequences(Path(os.path.abspath(require_folder(path, "davis"))))
    if not chosen:
        return [str(folder) for folder in folders]
    sets = Path(path) / "ImageSets"
    known = sorted(str(file.relative_to(sets).with_suffix("")) for file in sets.rglob("*.txt"))
    if chosen not in known:
        raise SourceError(f"{path!r} has no set list {chosen!r}", plugins.did_you_mean(chosen, known))
    named = {_sequence_of(line) for line in (sets / f"{chosen}.txt").read_text(encoding="utf-8").split("\n")}
    return [str(folder) for folder in folders if folder.name in named]


def _sequence_of(line: str) -> str:
    """Lists of 2017 name sequences, those of 2016 the pictures and masks of each frame."""
    first = line.split()[0] if line.strip() else ""
    return Path(first).parent.name if "/" in first else first


def open(uri: str, options: Options) -> FileRecording:
    path = Path(os.path.abspath(require_folder(uri, "davis")))
    folder = choose_one(uri, "davis", _sequences(path), "DAVIS sequence")
    paths = images_in(folder)
    masks = truth(paths, _annotations(folder))
    names = unique_names(paths)
    entries = [
        Entry(name, i / FPS, file, annotation=masks.loads.get(file)) for i, (file, name) in enumerate(zip(paths, names))
    ]
    return FileRecording(uri, "davis", entries, options, fps=FPS, notes=masks.notes)


def _sequences(path: Path) -> list[Path]:
    """The folders of frames at or below `path`: a sequence, a resolution, JPEGImages, or the root above it."""
    if IMAGES not in path.parts:
        path = path / IMAGES
    return sequences_at(path, has_images)


def _annotations(sequence: Path) -> Path | None:
    """The mask folder of a sequence: its path with the last JPEGImages replaced; None where there is none."""
    parts = list(sequence.parts)
    place = len(parts) - 1 - parts[::-1].index(IMAGES)
    folders = (Path(*parts[:place], name, *parts[place + 1 :]) for name in MASKS)
    return next((folder for folder in folders if has_images(folder)), None)
