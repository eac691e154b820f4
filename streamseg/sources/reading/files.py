"""A recording whose frames are files on disk, and how folders of such files are listed and named."""

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
from streamseg.text import some

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))


@dataclass(frozen=True)
class Entry:
    """What is known of a frame before anything is decoded; the fields are those of `Frame`. page: of a file that holds
    several pictures, from 0."""

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
    """A recording over entries. It keeps nothing open, so that threads and processes may share it."""

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
            lost = f" ({len(self.skipped)} are listed, none is there)" if self.skipped else ""
            raise SourceError(f"{uri!r} holds no usable frame{lost}", "check that the images are where they should be")

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Frame:
        entry = self._at(index)
        rgb = read_rgb(entry.colour, entry.page)
        annotation = entry.annotation and partial(of_size, entry.annotation, rgb.shape[:2], entry.colour)
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


def of_size(load: Callable[[], np.ndarray], size: tuple[int, int], colour: Path | None = None) -> np.ndarray:
    """The mask that `load` reads, (height, width) = `size`; raises FrameError where it has another one.

    Masks are often drawn on the pixels as stored: where the image `colour` lies on its side and is turned upright by
    its EXIF orientation, its mask is turned along.
    """
    mask = load()
    if colour is not None and mask.shape != size and mask.shape == size[::-1]:
        mask = upright(mask, colour)
    if mask.shape != size:
        raise FrameError(f"mask is {mask.shape[1]}x{mask.shape[0]}, colour is {size[1]}x{size[0]}")
    return mask


def natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort key: runs of digits by value, so that img2 comes before img10."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts], path.name


def listing(folder: Path) -> list[Path]:
    """What lies in `folder`, without hidden files, in natural order; [] if it is none or cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted((Path(item.path) for item in found if not item.name.startswith(".")), key=natural)
    except (OSError, ValueError):
        return []


def images_in(folder: Path) -> list[Path]:
    """The image files of `folder`, by suffix, in natural order; where their names are time stamps, in order of time."""
    paths = [path for path in listing(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(paths, key=lambda path: Decimal(path.stem)) if _are_stamps(paths) else paths


def _are_stamps(paths: list[Path]) -> bool:
    """Whether all names are decimal numbers whose fractions may differ in length, or be left out: 1305031453.25 is
    later than 1305031453.125. Numbers such as 1.9 and 1.10 may be chapter and page: only long ones, and 0.05, tell."""
    found = [re.fullmatch(r"(\d+)(?:\.(\d+))?", path.stem, re.ASCII) for path in paths]
    parts = [match.groups() for match in found if match is not None]
    fractions = [fraction for _, fraction in parts if fraction]
    if len(parts) < len(found) or not fractions:
        return False
    leading_zero = len(fractions) == len(parts) and any(len(part) > 1 and part[0] == "0" for part in fractions)
    return leading_zero or all(len(whole) >= 6 for whole, _ in parts)


def has_images(folder: Path) -> bool:
    """Whether `images_in` would find any; cheaper, for recognition."""
    try:
        with os.scandir(folder) as found:
            return any(
                os.path.splitext(item.name)[1].lower() in IMAGE_SUFFIXES and item.name[0] != "." for item in found
            )
    except (OSError, ValueError):
        return False


def folders_in(folder: Path) -> list[Path]:
    """The folders in `folder`, in natural order."""
    return [path for path in listing(folder) if os.path.isdir(path)]


def sequences_at(path: Path, is_one: Callable[[Path], bool]) -> list[Path]:
    """`path` itself where it `is_one`, or those of its folders that are, or those of the folders in these."""
    if is_one(path):
        return [path]
    inner = folders_in(path)
    direct = [folder for folder in inner if is_one(folder)]
    return direct or [folder for middle in inner for folder in folders_in(middle) if is_one(folder)]


def sequences_below(path: Path, is_one: Callable[[Path], bool], depth: int = 4) -> list[str]:
    """All of them at or below `path`, at most `depth` folders down, as absolute paths."""
    if is_one(path):
        return [os.path.abspath(path)]
    return [found for inner in folders_in(path) if depth for found in sequences_below(inner, is_one, depth - 1)]


def unique_names(paths: Iterable[Path]) -> list[str]:
    """The stems; where two files share one, stem_suffix; where even these are equal, a number is added."""
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
    """The image files of a mask folder by stem."""
    return {path.stem: path for path in images_in(folder)}


def choose_one(uri: str, kind: str, found: list[Path], what: str) -> Path:
    """The only one of `found`. Raises SourceError: none at all, or several, of which some are listed to be typed."""
    if not found:
        raise SourceError(
            f"{uri!r} holds no {what}", f"see the layout that {kind} expects, or give another kind: kind:path"
        )
    if len(found) > 1:
        several = f"{uri!r} holds {len(found)} {what}s: {some(found)}"
        raise SourceError(several, f"give one of them, e.g. {kind}:{found[0]}")
    return found[0]


def require_folder(uri: str, kind: str) -> Path:
    """The folder `uri`. Raises SourceError where it is absent, a file, or unreadable."""
    path = Path(uri)
    if not os.path.exists(path):
        raise SourceError(f"there is no {uri!r}", f"check the path; {kind} needs a folder")
    if not os.path.isdir(path):
        raise SourceError(f"{uri!r} is a file, {kind} needs a folder", "give the folder, or leave the kind away")
    if not os.access(path, os.R_OK | os.X_OK):
        raise SourceError(f"the folder {uri!r} cannot be read", "check its permissions")
    return path
