"""A recording whose frames are files on disk, and functions that list and name such files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Frame, Intrinsics
from streamseg.sources import DepthScale, Options, Recording, Skip
from streamseg.sources.reading.images import read_rgb, upright
from streamseg.text import first_few

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))


@dataclass(frozen=True)
class Entry:
    """What is known of a frame before its files are decoded. The fields are those of `Frame`; colour: its image file.
    page: of a file with several pages, from 0."""

    name: str
    timestamp: float
    colour: Path
    depth: Callable[[], np.ndarray] | None = None
    annotation: Callable[[], np.ndarray] | None = None
    intrinsics: Intrinsics | None = None
    depth_problem: str = ""
    depth_is_metric: bool = True
    page: int = 0
    pose: np.ndarray | None = None


class FileRecording(Recording):
    """A recording made of entries. It keeps no file open, so that threads and processes may share it. Raises
    SourceError if there is no entry."""

    def __init__(
        self,
        uri: str,
        kind: str,
        entries: Iterable[Entry],
        options: Options,
        skipped: Iterable[Skip] = (),
        fps: float = 30.0,
        notes: Iterable[str] = (),
        depth_scale: DepthScale | None = None,
    ) -> None:
        self.uri, self.kind, self.fps = uri, kind, fps
        self.skipped, self.notes = tuple(skipped), tuple(notes)
        if depth_scale is not None:
            self.depth_scale, self.depth_scale_origin, _ = depth_scale
        self._entries = tuple(entries)
        self._options = options
        if not self._entries:
            listed = f" ({len(self.skipped)} are listed, none is there)" if self.skipped else ""
            raise SourceError(
                f"{uri!r} holds no usable frame{listed}", "check that the images are where they should be"
            )

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Frame:
        entry = self._at(index)
        rgb = read_rgb(entry.colour, entry.page)
        annotation = entry.annotation and partial(load_mask, entry.annotation, rgb.shape[:2], entry.colour)
        return Frame(
            index=index,
            name=entry.name,
            timestamp=entry.timestamp,
            rgb=rgb,
            intrinsics=self._options.intrinsics or entry.intrinsics,
            load_depth=self._options.aligned(entry.depth),
            load_annotation=annotation,
            depth_problem=entry.depth_problem,
            file=self.file_of(index),
            depth_is_metric=entry.depth_is_metric,
            pose=entry.pose,
        )

    def file_of(self, index: int) -> Path | None:
        entry = self._at(index)
        return None if entry.page else entry.colour

    def reduced(self, index: int, least: int) -> np.ndarray:
        entry = self._at(index)
        return read_rgb(entry.colour, entry.page, least)

    def name_of(self, index: int) -> str:
        return self._at(index).name

    def _at(self, index: int) -> Entry:
        if not 0 <= index < len(self._entries):
            raise IndexError(f"frame {index} of {len(self._entries)}")
        return self._entries[index]


def load_mask(load: Callable[[], np.ndarray], size: tuple[int, int], colour: Path | None = None) -> np.ndarray:
    """Return the mask that `load` reads, (height, width) = `size`. Raises FrameError if it has another size.

    Masks are often drawn on the pixels as stored. If the EXIF orientation turns the image `colour` upright, such a mask
    is turned, too.
    """
    mask = load()
    if colour is not None and mask.shape != size and mask.shape == size[::-1]:
        mask = upright(mask, colour)
    if mask.shape != size:
        raise FrameError(f"mask is {mask.shape[1]}x{mask.shape[0]}, colour is {size[1]}x{size[0]}")
    return mask


def natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return the sort key of natural order, which compares numbers by value: img2 comes before img10."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts], path.name


def listing(folder: Path) -> list[Path]:
    """Return the files and folders in `folder` in natural order, without hidden ones; [] if it is no folder or cannot
    be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted((Path(item.path) for item in entries if not item.name.startswith(".")), key=natural)
    except (OSError, ValueError):
        return []


def images_in(folder: Path) -> list[Path]:
    """Return the image files in `folder`, by their suffixes, in natural order; in order of time if their names are time
    stamps."""
    paths = [path for path in listing(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(paths, key=lambda path: Decimal(path.stem)) if _are_stamps(paths) else paths


def _are_stamps(paths: list[Path]) -> bool:
    """Return whether all names are time stamps, which are ordered as decimals: 1305031453.25 is after 1305031453.125.

    Names such as 1.9 and 1.10 may be a chapter and a page. Only long numbers, and fractions such as 0.05, are stamps.
    """
    matches = [re.fullmatch(r"(\d+)(?:\.(\d+))?", path.stem, re.ASCII) for path in paths]
    parts = [match.groups() for match in matches if match is not None]
    fractions = [fraction for _, fraction in parts if fraction]
    if len(parts) < len(matches) or not fractions:
        return False
    leading_zero = len(fractions) == len(parts) and any(len(part) > 1 and part[0] == "0" for part in fractions)
    return leading_zero or all(len(whole) >= 6 for whole, _ in parts)


def has_images(folder: Path) -> bool:
    """Return whether `images_in` would find any image; faster than that, to recognize sources."""
    try:
        with os.scandir(folder) as entries:
            return any(
                os.path.splitext(item.name)[1].lower() in IMAGE_SUFFIXES and item.name[0] != "." for item in entries
            )
    except (OSError, ValueError):
        return False


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in `folder`, in natural order."""
    return [path for path in listing(folder) if os.path.isdir(path)]


def sequences_at(path: Path, is_sequence: Callable[[Path], bool]) -> list[Path]:
    """Return `path` if it is a sequence; otherwise the sequences one level below it or, if there are none, two."""
    if is_sequence(path):
        return [path]
    children = folders_in(path)
    sequences = [folder for folder in children if is_sequence(folder)]
    return sequences or [folder for child in children for folder in folders_in(child) if is_sequence(folder)]


def sequences_below(path: Path, is_sequence: Callable[[Path], bool], depth: int = 4) -> list[str]:
    """Return the absolute paths of all sequences at `path` or at most `depth` levels below it."""
    if is_sequence(path):
        return [os.path.abspath(path)]
    sequences: list[str] = []
    for child in folders_in(path) if depth else []:
        sequences += sequences_below(child, is_sequence, depth - 1)
    return sequences


def unique_names(paths: Iterable[Path]) -> list[str]:
    """Return a name for each file: its stem; stem_suffix if files share the stem; with a number if they share both."""
    paths = list(paths)
    stems = [path.stem for path in paths]
    counts: dict[str, int] = {}
    for stem in stems:
        counts[stem] = counts.get(stem, 0) + 1
    taken: set[str] = {stem for stem in stems if counts[stem] == 1}
    names = []
    for path, stem in zip(paths, stems):
        name = base = stem if counts[stem] == 1 else f"{stem}_{path.suffix[1:]}"
        number = 2
        while counts[stem] > 1 and name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        names.append(name)
    return names


def masks_by_stem(folder: Path) -> dict[str, Path]:
    """Return the image files of a folder of masks, by stem."""
    return {path.stem: path for path in images_in(folder)}


def choose_one(uri: str, kind: str, candidates: list[Path], what: str) -> Path:
    """Return the only one of the `candidates`. Raises SourceError if there is none, or several, which it lists.

    what: a candidate in words, e.g. "TUM recording".
    """
    if not candidates:
        raise SourceError(
            f"{uri!r} holds no {what}", f"see the layout that {kind} expects, or give another kind: kind:path"
        )
    if len(candidates) > 1:
        several = f"{uri!r} holds {len(candidates)} {what}s: {first_few(candidates)}"
        raise SourceError(several, f"give one of them, e.g. {kind}:{candidates[0]}")
    return candidates[0]


def require_folder(uri: str, kind: str) -> Path:
    """Return the folder `uri`. Raises SourceError if it is missing, a file, or unreadable."""
    path = Path(uri)
    if not os.path.exists(path):
        raise SourceError(f"there is no {uri!r}", f"check the path; {kind} needs a folder")
    if not os.path.isdir(path):
        raise SourceError(f"{uri!r} is a file, {kind} needs a folder", "give the folder, or leave the kind away")
    if not os.access(path, os.R_OK | os.X_OK):
        raise SourceError(f"the folder {uri!r} cannot be read", "check its permissions")
    return path
