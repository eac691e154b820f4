"""Folders with one sub-folder per class, and their split into training and held-out images.

The layout is FOLDER/CLASS/... as in torchvision's ImageFolder, or FOLDER/train/CLASS and FOLDER/val/CLASS with a given
split. A class contains image files, videos, or folders that are recordings of any kind (a category of CO3D is a class,
its sequences are recordings); it can also be one recording itself.

Neighbouring frames look alike, so all frames of a recording are on one side of the split. If a class has a single
recording, its last part is held out, the same number of frames before it is not used, and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.sources import Recording, open_source
from streamseg.sources import images as image_files
from streamseg.text import first_few

Log = Callable[[str], None]
SPLIT_FOLDERS = ("train", "val")


@dataclass(frozen=True)
class Item:
    """One image of a class. group: each photograph has its own, the frames of a recording have the same."""

    recording: Recording
    index: int
    label: int
    group: int

    def read(self) -> np.ndarray:
        """Return (H, W, 3) uint8 RGB. Raises FrameError."""
        return self.recording[self.index].rgb


@dataclass
class Labelled:
    """classes: names by label. train, val: items. groups: names of the groups by number."""

    classes: tuple[str, ...]
    train: list[Item] = field(default_factory=list)
    val: list[Item] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def read(folder: Path, *, frames: int, val_share: float, seed: int, log: Log) -> Labelled:
    """Return the images of `folder`, split into training and held-out ones.

    frames: largest number of frames of each recording, at equal distances. val_share: share of each class that is held
    out if no split is given, 0 to 1. Raises SourceError if there is no folder, if there are fewer than two classes, or
    if a class is empty or too small to split.
    """
    if not folder.is_dir():
        raise SourceError(f"there is no folder {str(folder)!r}", "give a folder with one sub-folder for each class")
    given = all((folder / part).is_dir() for part in SPLIT_FOLDERS)
    names = _classes(folder / "train" if given else folder)
    data = Labelled(tuple(names))
    for label, name in enumerate(names):
        if not given:
            _split(_groups(folder / name, label, frames, data), data, val_share, seed + label, log)
            continue
        for part, items in zip(SPLIT_FOLDERS, (data.train, data.val), strict=True):
            for group in _groups(folder / part / name, label, frames, data):
                items.extend(group)
    return data


def _classes(folder: Path) -> list[str]:
    names = [path.name for path in _listing(folder) if path.is_dir()]
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise SourceError(
            f"{str(folder)!r} should hold one sub-folder for each class, at least two, but has {found}",
            "put the images or recordings of each class into a folder of its own",
        )
    return names


def _groups(folder: Path, label: int, frames: int, data: Labelled) -> list[list[Item]]:
    """Return the items of one class by group, and add the names of the groups to `data`.

    Raises SourceError if there are none.
    """
    groups = []
    for recording, photographs in _recordings(folder) if folder.is_dir() else ():
        if photographs:
            for index in range(len(recording)):
                groups.append([Item(recording, index, label, len(data.groups))])
                data.groups.append(f"{folder.name}/{recording.name_of(index)}")
            continue
        chosen = np.unique(np.linspace(0, len(recording) - 1, min(frames, len(recording))).round().astype(int))
        groups.append([Item(recording, int(index), label, len(data.groups)) for index in chosen])
        data.groups.append(recording.uri)
    if not groups:
        raise SourceError(f"the class {str(folder)!r} holds no images and no recording", "fill it, or remove it")
    return groups


def _recordings(folder: Path) -> Iterator[tuple[Recording, bool]]:
    """Yield each recording in the folder of a class, and whether its images are photographs, which are independent."""
    inside = _listing(folder)
    pictures = [path for path in inside if path.is_file() and image_files.recognizes(str(path))]
    if pictures:
        recording = open_source(f"images:{folder}")
        assert isinstance(recording, Recording)
        yield recording, not _numbered([path.stem for path in pictures])
    elif (whole := _opened(folder)) is not None:
        yield whole, False
        return
    for path in inside:
        if path in pictures or path.name == "masks":
            continue
        if (inner := _opened(path)) is not None:
            yield inner, False
        elif path.is_dir():
            for child in _listing(path):
                if (inner := _opened(child)) is not None:
                    yield inner, False


def _listing(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _opened(path: Path) -> Recording | None:
    try:
        source = open_source(str(path))
    except SourceError:
        return None
    return source if isinstance(source, Recording) else None


def _numbered(stems: list[str]) -> bool:
    """Return whether files are numbered like frames: one prefix, and mostly one step between the numbers."""
    matches = [match for stem in stems if (match := re.fullmatch(r"(.*?)(\d+)", stem))]
    if len(stems) < 3 or len(matches) < len(stems) or len({match[1] for match in matches}) > 1:
        return False
    steps = np.diff(sorted(int(match[2]) for match in matches))
    return bool(np.mean(steps == np.median(steps)) >= 0.9)


def _split(groups: list[list[Item]], data: Labelled, val_share: float, seed: int, log: Log) -> None:
    """Assign the groups of one class to the two sides; a single group is cut in time."""
    name = data.classes[groups[0][0].label]
    if len(groups) > 1:
        order = np.random.default_rng(seed).permutation(len(groups))
        held_out_groups = set(order[: min(len(groups) - 1, max(1, round(val_share * len(groups))))].tolist())
        for number, group in enumerate(groups):
            (data.val if number in held_out_groups else data.train).extend(group)
        return
    items = groups[0]
    held_out_count = max(1, round(val_share * len(items)))
    train_count = len(items) - 2 * held_out_count
    if train_count < 1:
        raise SourceError(
            f"the class {name!r} has one recording of {len(items)} frames: too few to hold some out",
            "give more recordings, a smaller --val-share, or train/ and val/ folders",
        )
    count = held_out_count
    log(f"{name}: one recording only; its last {count} frames are held out, {count} before them go unused")
    data.train.extend(items[:train_count])
    data.val.extend(items[-held_out_count:])


def images(items: list[Item], log: Log) -> Iterator[tuple[Item, np.ndarray]]:
    """Yield the items and their (H, W, 3) uint8 images. Those that cannot be read are logged."""
    unreadable: list[str] = []
    for item in items:
        try:
            yield item, item.read()
        except FrameError as problem:
            unreadable.append(f"{item.recording.name_of(item.index)} ({problem})")
    if unreadable:
        log(f"{len(unreadable)} images left out: {first_few(unreadable)}")
