"""Notes on what a run does not use in or beside the folder of a recording: videos, archives, pictures, depth."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from streamseg.sources import module_of
from streamseg.sources.reading.files import IMAGE_SUFFIXES, folders_in, has_images, listing
from streamseg.sources.reading.video import VIDEOS
from streamseg.text import first_few
from streamseg.text.asking import to_do

BAGS = re.compile(r".*\.(bag|db3|mcap|svo2?|oni)", re.IGNORECASE)
ARCHIVES = re.compile(r".*\.(tgz|tar|tar\.\w+|zip|7z|rar)", re.IGNORECASE)
OTHERS = re.compile(r".*\.(exr|hdr|heic|heif|avif|jxl|jp2|dng|cr2|nef|arw|raw|tga|npz)", re.IGNORECASE)
KINDS = (  # singular, plural, pattern of the names, hint
    ("video", "videos", VIDEOS, "give it by itself"),
    ("archive", "archives", ARCHIVES, "unpack it and give it by itself"),
    ("recording of another program", "recordings of another program", BAGS, "convert it"),
    ("picture of a format that is not read", "pictures of a format that is not read", OTHERS, "convert it to PNG"),
)
LAYOUT = frozenset(
    {"rgb", "color", "colour", "image", "images", "depth", "depths", "masks", "mask", "segm", "segmentation"}
    | {"segmentations", "annotations", "labels", "groundtruth", "gt", "valid", "raw", "depth_masks"}
)
"""Names of folders that belong to a recording. No note is written on them, whether they are used or not."""
DEPTH_FOLDERS = ("depth", "depths")
MAX_FOLDERS = 20
"""Folders in a folder that are searched for pictures."""


def notes_on_unused(folder: Path, used: Iterable[Path] = ()) -> list[str]:
    """Return notes on the files and folders in `folder` that are not part of the recording. used: those that are."""
    used_paths = {path.resolve() for path in used}
    unused = [path for path in listing(folder) if path.resolve() not in used_paths]
    files = [path.name for path in unused if os.path.isfile(path)]
    notes = []
    for singular, plural, pattern, hint in KINDS:
        notes += _note(singular, plural, [name for name in files if pattern.fullmatch(name)], hint)
    folders = [path.name for path in unused if path.name.lower() not in LAYOUT and _has_pictures(path)]
    unreadable = [path.name for path in unused if path.name.lower() in DEPTH_FOLDERS and _lacks_depth(path)]
    notes += _note("depth folder", "depth folders", unreadable, "depth is read as pictures of 16 bits or .npy")
    return notes + _note("folder with pictures", "folders with pictures", folders, "give it by itself")


def notes_on_depth_beside(colour: Path) -> list[str]:
    """Return a note if `colour`, a folder of pictures or a video, is the colour of a recording that has depth, too."""
    parent = Path(os.path.abspath(colour)).parent
    if not any(os.path.isdir(parent / name) for name in DEPTH_FOLDERS):
        return []
    module = module_of(str(parent))
    if module is None or module is module_of(str(colour)):
        return []
    return [to_do("the depth beside these pictures is not used", f"give the folder of the recording, {parent}")]


def _lacks_depth(folder: Path) -> bool:
    """Return whether a folder has files, but none with a suffix of readable depth."""
    suffixes = {path.suffix.lower() for path in listing(folder)}
    return bool(suffixes) and not suffixes & (IMAGE_SUFFIXES | {".npy"})


def _has_pictures(folder: Path) -> bool:
    return has_images(folder) or any(has_images(inner) for inner in folders_in(folder)[:MAX_FOLDERS])


def _note(singular: str, plural: str, names: list[str], hint: str) -> list[str]:
    """Return a note that names files of one kind are left out; [] without names."""
    if not names:
        return []
    return [f"left out: {len(names)} {singular if len(names) == 1 else plural} ({first_few(names)}); {hint}"]
