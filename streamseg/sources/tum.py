"""TUM RGB-D recording: a folder with rgb.txt and depth.txt, or its published .tgz

Layout: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats. Ground truth, which TUM has none of, may lie in
masks/ under the colour files' names. Archives are unpacked once, into the user's cache folder; the environment
variable STREAMSEG_CACHE names another one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path

from streamseg import cache
from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Skip
from streamseg.sources._archives import unpack
from streamseg.sources._files import (
    Entry,
    FileRecording,
    choose_one,
    folders_in,
    images_in,
    masks_by_stem,
    require_folder,
    unique_names,
)
from streamseg.sources._images import read_depth, read_mask
from streamseg.sources._pairing import pair

PRIORITY = 10
TOLERANCE = 0.02  # seconds between a colour and a depth frame of one moment
UNITS_PER_METRE = 5000.0
ARCHIVES = (".tgz", ".tar.gz")
CAMERAS = {
    "freiburg1": Intrinsics(517.3, 516.5, 318.6, 255.3),
    "freiburg2": Intrinsics(520.9, 521.0, 325.1, 249.7),
    "freiburg3": Intrinsics(535.4, 539.2, 320.1, 247.6),
    "": Intrinsics(525.0, 525.0, 319.5, 239.5),
}

Stamped = tuple[float, Path]


def recognizes(uri: str) -> bool:
    return (os.path.isfile(uri) and uri.lower().endswith(ARCHIVES)) or _is_recording(Path(uri))


def open(uri: str, options: Options) -> FileRecording:
    if os.path.isfile(uri):
        if not uri.lower().endswith(ARCHIVES):
            raise SourceError(f"{uri!r} is a file, tum wants a folder or a .tgz", "give the folder that holds rgb.txt")
        folder = _recording_in(_unpacked(uri), uri)
    else:
        folder = _recording_in(require_folder(uri, "tum"), uri)
    colour, skipped = _frames(folder, "rgb")
    depth, lost = _frames(folder, "depth")
    partner = pair([stamp for stamp, _ in colour], [stamp for stamp, _ in depth], TOLERANCE)
    scale = options.depth_scale or UNITS_PER_METRE
    camera = _camera(folder.resolve(), uri)
    masks = masks_by_stem(folder / "masks")
    entries = []
    for i, ((stamp, path), name) in enumerate(zip(colour, unique_names(path for _, path in colour))):
        load = partial(read_depth, depth[partner[i]][1], scale) if i in partner else None
        problem = "" if load else "no depth frame within 0.02 s" if depth else "recording has no depth"
        truth = partial(read_mask, masks[path.stem]) if path.stem in masks else None
        entries.append(Entry(name, stamp, path, load, truth, intrinsics=camera, depth_problem=problem))
    return FileRecording(uri, "tum", entries, options, skipped + lost)


def _is_recording(folder: Path) -> bool:
    """rgb.txt, or a folder rgb/ of files named by time stamps; frame numbers alone would not tell TUM's depth scale."""
    if os.path.isfile(folder / "rgb.txt"):
        return True
    names = images_in(folder / "rgb")
    return bool(names) and re.fullmatch(r"\d+\.\d+", names[0].stem) is not None


def _recording_in(folder: Path, uri: str) -> Path:
    """`folder` or the one recording inside it."""
    if _is_recording(folder) or images_in(folder / "rgb"):
        return folder
    return choose_one(uri, "tum", [inner for inner in folders_in(folder) if _is_recording(inner)], "TUM recording")


def _camera(folder: Path, uri: str) -> Intrinsics:
    names = (Path(uri).name, folder.name, *(parent.name for parent in folder.parents))
    known = {"freiburg1": "fr1", "freiburg2": "fr2", "freiburg3": "fr3"}
    for name in names:
        for camera, short in known.items():
            if camera in name.lower() or re.search(rf"(^|[^a-z0-9]){short}([^0-9]|$)", name.lower()):
                return CAMERAS[camera]
    return CAMERAS[""]


def _frames(folder: Path, which: str) -> tuple[list[Stamped], list[Skip]]:
    """Time-ordered (stamp, file) of the list `which`.txt or, without a list, of the folder; and what is unusable."""
    index = folder / f"{which}.txt"
    if not os.path.isfile(index):
        return _unlisted(folder / which)
    frames: dict[Path, float] = {}
    skipped = []
    for number, line in enumerate(_text(index).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        stamp, _, name = line.strip().replace(",", " ").replace("\t", " ").partition(" ")
        path = folder / name.strip()
        try:
            seconds = float(stamp)
        except ValueError:
            seconds = float("nan")
        if not name.strip() or not abs(seconds) < 1e12:
            skipped.append(Skip(f"{index.name}:{number}", "malformed line in the list"))
        elif path in frames:
            skipped.append(Skip(path.stem, "listed twice"))
        elif not os.path.isfile(path):
            skipped.append(Skip(path.stem, "missing file" if which == "rgb" else f"missing {which} file"))
        else:
            frames[path] = seconds
    return sorted((seconds, path) for path, seconds in frames.items()), skipped


def _unlisted(folder: Path) -> tuple[list[Stamped], list[Skip]]:
    """The files of a folder without a list: their names are the stamps, or else their order at 30 a second."""
    paths = images_in(folder)
    try:
        return sorted((float(path.stem), path) for path in paths), []
    except ValueError:
        return [(i / 30, path) for i, path in enumerate(paths)], []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise SourceError(f"{str(path)!r} cannot be read: {error.strerror}", "check its permissions") from None


def cache_folder() -> Path:
    """Where unpacked archives go: $STREAMSEG_CACHE/recordings, or the user's cache folder."""
    return cache.root() / "recordings"


def _unpacked(uri: str) -> Path:
    """The contents of the archive `uri`, unpacked at the first call; a failure leaves nothing behind."""
    path = Path(uri).resolve()
    stat = path.stat()
    key = hashlib.sha256(
        f"{path.name} {stat.st_size} {stat.st_mtime_ns}".encode("utf-8", "surrogateescape")
    ).hexdigest()
    target = cache_folder() / f"{path.name.split('.')[0]}-{key[:12]}"
    if os.path.isdir(target):
        return target
    hint = f"free some space, or let STREAMSEG_CACHE name a folder on another disk (now {cache_folder()})"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    except OSError as error:
        raise SourceError(f"{uri!r} cannot be unpacked: {error.strerror}", hint) from None
    try:
        unpack(path, temporary)
        _move(temporary, target)
    except OSError as error:
        raise SourceError(f"{uri!r} cannot be unpacked: {error.strerror or error}", hint) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _move(temporary: Path, target: Path) -> None:
    """Give the finished folder its name, unless another process was faster."""
    try:
        os.rename(temporary, target)
    except OSError:
        if not os.path.isdir(target):
            raise
