"""What lies in a recording's folder and is not used: videos, archives, folders of pictures. People should know."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from streamseg.sources.reading.files import IMAGE_SUFFIXES, folders_in, has_images, listing
from streamseg.sources.reading.video import VIDEOS
from streamseg.text import some

BAGS = re.compile(r".*\.(bag|db3|mcap|svo2?|oni)", re.IGNORECASE)
ARCHIVES = re.compile(r".*\.(tgz|tar|tar\.\w+|zip|7z|rar)", re.IGNORECASE)
OTHERS = re.compile(r".*\.(exr|hdr|heic|heif|avif|jxl|jp2|dng|cr2|nef|arw|raw|tga|npz)", re.IGNORECASE)
KINDS = (
    ("video", "videos", VIDEOS, "give it by itself"),
    ("archive", "archives", ARCHIVES, "unpack it and give it by itself"),
    ("recording of another program", "recordings of another program", BAGS, "convert it"),
    ("picture of a format that is not read", "pictures of a format that is not read", OTHERS, "convert it to PNG"),
)
LAYOUT = frozenset(
    {"rgb", "color", "colour", "image", "images", "depth", "depths", "masks", "mask", "segm", "segmentation"}
    | {"segmentations", "annotations", "labels", "groundtruth", "gt", "valid", "raw", "depth_masks"}
)
"""Folders that a recording is made of, whether this one's are used or not."""


def left_out(folder: Path, used: Iterable[Path] = ()) -> list[str]:
    """Notes on what `folder` holds besides the recording. used: files and folders in it that are not left out."""
    known = {path.resolve() for path in used}
    found = [path for path in listing(folder) if path.resolve() not in known]
    files = [path.name for path in found if os.path.isfile(path)]
    notes = []
    for one, many, pattern, hint in KINDS:
        notes += _note(one, many, [name for name in files if pattern.fullmatch(name)], hint)
    folders = [path.name for path in found if path.name.lower() not in LAYOUT and _has_pictures(path)]
    unread = [path.name for path in found if path.name.lower() in ("depth", "depths") and _unread(path)]
    notes += _note("depth folder", "depth folders", unread, "depth is read as pictures of 16 bits or .npy")
    return notes + _note("folder with pictures", "folders with pictures", folders, "give it by itself")


def _unread(folder: Path) -> bool:
    """Whether there are files, and all of kinds that no depth is read from."""
    suffixes = {path.suffix.lower() for path in listing(folder)}
    return bool(suffixes) and not suffixes & (IMAGE_SUFFIXES | {".npy"})


def _has_pictures(folder: Path) -> bool:
    return has_images(folder) or any(has_images(inner) for inner in folders_in(folder)[:20])


def _note(one: str, many: str, names: list[str], hint: str) -> list[str]:
    return [f"left out: {len(names)} {one if len(names) == 1 else many} ({some(names)}); {hint}"] if names else []
