"""TUM RGB-D recording: a folder with rgb.txt and depth.txt or associations.txt, or its published .tgz

Layout: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats. Bonn's recordings and ICL-NUIM have it, too;
ICL-NUIM has associations.txt only. groundtruth.txt gives the poses of the camera. TUM has no masks, but a folder masks/
with the names of the colour files is read. An archive is unpacked once, into the user's cache folder or the one that
the environment variable STREAMSEG_CACHE names.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from streamseg import cache
from streamseg.errors import SourceError
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources.reading.archives import unpack
from streamseg.sources.reading.cameras import camera_of, find_known_set
from streamseg.sources.reading.depth import Encoding, depth_loaders, first_size
from streamseg.sources.reading.files import (
    Entry,
    FileRecording,
    choose_one,
    folders_in,
    images_in,
    require_folder,
    unique_names,
)
from streamseg.sources.reading.left_out import notes_on_unused
from streamseg.sources.reading.lists import StampedFile, find_associations, read_list, read_pairs, stamp_unit
from streamseg.sources.reading.pairing import pair
from streamseg.sources.reading.poses import poses_at
from streamseg.sources.reading.truth import ground_truth, mask_folder_of

PRIORITY = 10
TOLERANCE = 0.02  # seconds between a colour frame and its depth frame
UNITS_PER_METRE = 5000.0
FPS_WITHOUT_STAMPS = 30.0  # ICL-NUIM numbers its frames instead of stamping them
ARCHIVES = (".tgz", ".tar.gz")


def recognizes(uri: str) -> bool:
    return (os.path.isfile(uri) and uri.lower().endswith(ARCHIVES)) or _is_recording(Path(uri))


def open(uri: str, options: Options) -> FileRecording:
    if os.path.isfile(uri):
        if not uri.lower().endswith(ARCHIVES):
            raise SourceError(f"{uri!r} is a file, tum needs a folder or a .tgz", "give the folder that holds rgb.txt")
        folder = _recording_in(_unpacked(uri), uri)
    else:
        folder = _recording_in(require_folder(uri, "tum"), uri)
    moments, skipped, notes, missing_depth = _read_moments(folder)
    colours = [moment.colour for moment in moments]
    scale = _scale(folder, uri, options)
    encoding = Encoding(scale.units_per_metre)
    pairs = [(moment.colour, moment.depth, encoding) for moment in moments if moment.depth is not None]
    depth = depth_loaders(uri, pairs, scale)
    camera = camera_of(folder.resolve(), uri, first_size(colours))
    masks = ground_truth(colours, mask_folder_of(folder / "rgb"))
    poses = poses_at([moment.seconds for moment in moments], folder, TOLERANCE)
    entries = [
        Entry(
            name,
            moment.seconds,
            moment.colour,
            depth.loads.get(moment.colour),
            masks.loads.get(moment.colour),
            intrinsics=camera.intrinsics,
            depth_problem="" if moment.colour in depth.loads else missing_depth,
            pose=pose,
        )
        for moment, name, pose in zip(moments, unique_names(colours), poses)
    ]
    if pairs and options.intrinsics is None:
        notes += camera.notes
    used = {path.parent for moment in moments for path in (moment.colour, moment.depth) if path is not None}
    notes += [*depth.notes, *masks.notes, *notes_on_unused(folder, used)]
    return FileRecording(uri, "tum", entries, options, skipped, notes=notes, depth_scale=scale if pairs else None)


def _is_recording(folder: Path) -> bool:
    """Return whether a folder has rgb.txt, a list of pairs, or a folder rgb/ with files named by time stamps. Files
    named by numbers do not count: other data sets with another depth scale have them."""
    if os.path.isfile(folder / "rgb.txt") or find_associations(folder) is not None:
        return True
    names = images_in(folder / "rgb")
    return bool(names) and re.fullmatch(r"\d+\.\d+", names[0].stem) is not None


def _recording_in(folder: Path, uri: str) -> Path:
    """Return `folder`, or the only recording inside it. Raises SourceError."""
    if _is_recording(folder) or images_in(folder / "rgb"):
        return folder
    return choose_one(uri, "tum", [inner for inner in folders_in(folder) if _is_recording(inner)], "TUM recording")


class Moment(NamedTuple):
    """A colour file, the time at which it was taken [s], and its depth file, if any."""

    seconds: float
    colour: Path
    depth: Path | None


def _read_moments(folder: Path) -> tuple[list[Moment], list[Skip], list[str], str]:
    """Return the frames, the unusable files, notes, and the reason for frames without depth."""
    index = find_associations(folder)
    if index is not None and not os.path.isfile(folder / "rgb.txt"):
        pairs, skipped = read_pairs(index)
        unit, name = stamp_unit([pair.stamp for pair in pairs])
        if not name and all(pair.stamp == int(pair.stamp) for pair in pairs):
            unit = FPS_WITHOUT_STAMPS
        return [Moment(pair.stamp / unit, pair.colour, pair.depth) for pair in pairs], skipped, _note_on_unit(name), ""
    colour, skipped = read_list(folder, "rgb")
    depth, skipped_depth = read_list(folder, "depth")
    unit, name = stamp_unit([file.stamp for file in colour])
    seconds = [file.stamp / unit for file in colour]
    depth_unit, _ = stamp_unit([file.stamp for file in depth])
    partner = pair(seconds, [file.stamp / depth_unit for file in depth], TOLERANCE)
    moments = [
        Moment(stamp, file.path, depth[partner[i]].path if i in partner else None)
        for i, (stamp, file) in enumerate(zip(seconds, colour))
    ]
    missing_depth = "no depth frame within 0.02 s" if depth else "recording has no depth"
    notes = [*_note_on_unit(name), *_note_on_unlisted(folder, colour, skipped)]
    return moments, skipped + skipped_depth, notes, missing_depth


def _note_on_unlisted(folder: Path, colour: list[StampedFile], skipped: list[Skip]) -> list[str]:
    """Return a note on files of rgb/ that rgb.txt lacks, for the list may be cut off."""
    listed = {file.path.stem for file in colour} | {skip.name for skip in skipped}
    others = [path.name for path in images_in(folder / "rgb") if path.stem not in listed]
    return [f"left out: {len(others)} files of rgb/ that rgb.txt does not list, e.g. {others[0]}"] if others else []


def _note_on_unit(unit: str) -> list[str]:
    return [f"time stamps are taken for {unit}"] if unit else []


def _scale(folder: Path, uri: str, options: Options) -> DepthScale:
    names = [Path(uri).name, folder.resolve().name, *(parent.name for parent in folder.resolve().parents)]
    origin = "its publishers' scale" if find_known_set(names) else "assumed, as TUM's format has it"
    return DepthScale.choose(options, UNITS_PER_METRE, origin)


def cache_folder() -> Path:
    """Return the folder for unpacked archives: recordings/ in $STREAMSEG_CACHE or the user's cache folder."""
    return cache.root() / "recordings"


def _unpacked(uri: str) -> Path:
    """Return the folder with the contents of archive `uri`, which is unpacked at the first call. A failure leaves no
    files behind. Raises SourceError."""
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
    """Rename the finished folder, unless another process has made `target` in the meantime."""
    try:
        os.rename(temporary, target)
    except OSError:
        if not os.path.isdir(target):
            raise
