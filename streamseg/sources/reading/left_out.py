"""What lies in a recording's folder and is not used: videos, archives, folders of pictures. People should know."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from streamseg.sources.reading.files import folders_in, has_images, listing

VIDEOS = re.compile(
    r".*\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|m2ts|m2v|wmv|flv|3gp|ogv|gif|y4m|mjpeg|h264|264|hevc|265|vob|mxf|asf|dv|bag|db3)",
    re.IGNORECASE,
)
ARCHIVES = re.compile(r".*\.(tgz|tar|tar\.\w+|zip|7z|rar)", re.IGNORECASE)
OTHERS = re.compile(r".*\.(exr|hdr|heic|heif|avif|jxl|jp2|dng|cr2|nef|arw|raw|tga|npz)", re.IGNORECASE)
LAYOUT = frozenset(
    {"rgb", "color", "colour", "image", "images", "depth", "depths", "masks", "mask", "segm", "segmentation"}
    | {"segmentations", "annotations", "labels", "groundtruth", "gt", "valid", "raw", "depth_masks"}
)
"""Folders that a recording is made of, whether this one's are used or not."""


def left_out(folder: Path, used: Iterable[Path] = ()) -> list[str]:
    """Notes on what `folder` holds besides the recording. used: files and folders in it that are not left out."""
    known = {path.resolve() for path in used}
    found = [path for path in listing(folder) if path.resolve() not in known]
    kinds = (("video", VIDEOS), ("archive", ARCHIVES), ("picture of a format that is not read", OTHERS))
    notes = []
    for what, pattern in kinds:
        names = [path.name for path in found if pattern.fullmatch(path.name) and os.path.isfile(path)]
        if names:
            notes.append(_note(what, names, "give it by itself" if what != kinds[2][0] else "convert it to PNG"))
    folders = [
        path for path in found if os.path.isdir(path) and path.name.lower() not in LAYOUT and _has_pictures(path)
    ]
    if folders:
        notes.append(_note("folder with pictures", [path.name for path in folders], "give it by itself"))
    return notes


def _has_pictures(folder: Path) -> bool:
    return has_images(folder) or any(has_images(inner) for inner in folders_in(folder)[:20])


def _note(what: str, names: list[str], hint: str) -> str:
    some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    many = f"{len(names)} {what.replace('picture of', 'pictures of').replace('folder', 'folders')}"
    plural = many if what.startswith(("picture", "folder")) else f"{many}s"
    return f"left out: {plural if len(names) > 1 else f'1 {what}'} ({some}); {hint}"
