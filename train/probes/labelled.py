"""Labelled folders: one sub-folder a class, photographs or recordings in it, and the split that keeps them apart.

FOLDER/CLASS/... as torchvision's ImageFolder; FOLDER/train/CLASS and FOLDER/val/CLASS where a split is given. In a
class lie image files, videos, or folders that are recordings of any kind (a CO3D category is a class, its sequences
are recordings); a class may be one recording itself.

Neighbouring frames look alike, so a recording is on one side of the split only. Where a class has a single recording,
its last part is held out, a gap of the same number of frames before it is used by neither side, and a note says so.
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
from streamseg.text import some

Log = Callable[[str], None]
SPLIT = ("train", "val")


@dataclass(frozen=True)
class Item:
    """One image of a class. group: photographs have one each, the frames of a recording share theirs."""

    recording: Recording
    index: int
    label: int
    group: int

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB. Raises FrameError."""
        return self.recording[self.index].rgb


@dataclass
class Labelled:
    """classes: names by label. train, val: items. groups: names of the groups by number."""

    classes: tuple[str, ...]
    train: list[Item] = field(default_factory=list)
    val: list[Item] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def read(folder: Path, *, frames: int, val_share: float, seed: int, log: Log) -> Labelled:
    """Find the images of `folder` and split them.

    frames: at most so many of each recording, spread evenly. val_share: 0 ... 1, of each class, where no split is
    given. Raises SourceError: no folder, fewer than two classes, a class with nothing in it or too little to split.
    """
    if not folder.is_dir():
        raise SourceError(f"there is no folder {str(folder)!r}", "give a folder with one sub-folder for each class")
    given = all((folder / part).is_dir() for part in SPLIT)
    names = _classes(folder / "train" if given else folder)
    data = Labelled(tuple(names))
    for label, name in enumerate(names):
        if given:
            for part in SPLIT:
                getattr(data, part).extend(i for g in _groups(folder / part / name, label, frames, data) for i in g)
        else:
            _split(_groups(folder / name, label, frames, data), data, val_share, seed + label, log)
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
    """The items of one class, by group. Raises SourceError where there are none."""
    found = []
    for recording, photographs in _recordings(folder) if folder.is_dir() else ():
        if photographs:
            for index in range(len(recording)):
                found.append([Item(recording, index, label, len(data.groups))])
                data.groups.append(f"{folder.name}/{recording.name_of(index)}")
            continue
        chosen = np.unique(np.linspace(0, len(recording) - 1, min(frames, len(recording))).round().astype(int))
        found.append([Item(recording, int(index), label, len(data.groups)) for index in chosen])
        data.groups.append(recording.uri)
    if not found:
        raise SourceError(f"the class {str(folder)!r} holds no images and no recording", "fill it, or remove it")
    return found


def _recordings(folder: Path) -> Iterator[tuple[Recording, bool]]:
    """Every recording in the folder of a class, and whether its images are photographs, independent of each other."""
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
            yield from ((r, False) for deeper in _listing(path) if (r := _opened(deeper)) is not None)


def _listing(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _opened(path: Path) -> Recording | None:
    try:
        found = open_source(str(path))
    except SourceError:
        return None
    return found if isinstance(found, Recording) else None


def _numbered(stems: list[str]) -> bool:
    """Whether image files are numbered as the frames of a recording are: one prefix, one step between the numbers."""
    matches = [re.fullmatch(r"(.*?)(\d+)", stem) for stem in stems]
    if len(stems) < 3 or not all(matches) or len({m[1] for m in matches if m}) > 1:
        return False
    steps = np.diff(sorted(int(m[2]) for m in matches if m))
    return bool(np.mean(steps == np.median(steps)) >= 0.9)


def _split(groups: list[list[Item]], data: Labelled, val_share: float, seed: int, log: Log) -> None:
    """Put the groups of one class on the two sides; a single group is cut in time."""
    name = data.classes[groups[0][0].label]
    if len(groups) > 1:
        order = np.random.default_rng(seed).permutation(len(groups))
        held = set(order[: min(len(groups) - 1, max(1, round(val_share * len(groups))))].tolist())
        for number, group in enumerate(groups):
            (data.val if number in held else data.train).extend(group)
        return
    items = groups[0]
    held_out = max(1, round(val_share * len(items)))
    kept = len(items) - 2 * held_out
    if kept < 1:
        raise SourceError(
            f"the class {name!r} has one recording of {len(items)} frames: too few to hold some out",
            "give more recordings, a smaller --val-share, or train/ and val/ folders",
        )
    log(f"{name}: one recording only; its last {held_out} frames are held out, {held_out} before them go unused")
    data.train.extend(items[:kept])
    data.val.extend(items[-held_out:])


def images(items: list[Item], log: Log) -> Iterator[tuple[Item, np.ndarray]]:
    """Items and their (H, W, 3) uint8 images; those that cannot be read are counted and named."""
    bad: list[str] = []
    for item in items:
        try:
            yield item, item.read()
        except FrameError as problem:
            bad.append(f"{item.recording.name_of(item.index)} ({problem})")
    if bad:
        log(f"{len(bad)} images left out: {some(bad)}")
