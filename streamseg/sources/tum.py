"""TUM RGB-D recording: a folder with rgb.txt and depth.txt or associations.txt, or its published .tgz

Layout: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats; Bonn's recordings and ICL-NUIM have it too, the
latter with associations.txt alone. groundtruth.txt gives the camera's poses. Masks, which TUM has none of, may lie in
masks/ under the colour files' names. Archives are unpacked once, into the user's cache folder; the environment
variable STREAMSEG_CACHE names another one.
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
from streamseg.sources.reading.cameras import camera_of, is_known
from streamseg.sources.reading.depth import Encoding, depth_of, first_size
from streamseg.sources.reading.files import (
    Entry,
    FileRecording,
    choose_one,
    folders_in,
    images_in,
    require_folder,
    unique_names,
)
from streamseg.sources.reading.left_out import left_out
from streamseg.sources.reading.lists import Stamped, associations, listed, paired, unit_of
from streamseg.sources.reading.pairing import pair
from streamseg.sources.reading.poses import poses_at
from streamseg.sources.reading.truth import folder_of, truth

PRIORITY = 10
TOLERANCE = 0.02  # seconds between a colour and a depth frame of one moment
UNITS_PER_METRE = 5000.0
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
    moments, skipped, notes, missing = _moments(folder)
    scale = _scale(folder, uri, options)
    pairs = [(moment.colour, moment.depth) for moment in moments if moment.depth is not None]
    about = depth_of(uri, [(colour, depth, Encoding(scale.units_per_metre)) for colour, depth in pairs], scale)
    camera = camera_of(folder.resolve(), uri, first_size(moment.colour for moment in moments))
    masks = truth([moment.colour for moment in moments], folder_of(folder / "rgb"))
    entries = []
    poses = poses_at([moment.seconds for moment in moments], folder, TOLERANCE)
    for moment, name, pose in zip(moments, unique_names(moment.colour for moment in moments), poses):
        load = about.loads.get(moment.colour)
        entries.append(
            Entry(
                name,
                moment.seconds,
                moment.colour,
                load,
                masks.loads.get(moment.colour),
                intrinsics=camera.intrinsics,
                depth_problem="" if load else missing,
                pose=pose,
            )
        )
    if pairs and options.intrinsics is None:
        notes += camera.notes
    used = {path.parent for moment in moments for path in (moment.colour, moment.depth) if path is not None}
    notes += [*about.notes, *masks.notes, *left_out(folder, used)]
    return FileRecording(uri, "tum", entries, options, skipped, notes=notes, depth_scale=scale if pairs else None)


def _is_recording(folder: Path) -> bool:
    """rgb.txt, a list of pairs, or a folder rgb/ of files named by time stamps; frame numbers alone would not tell
    TUM's depth scale."""
    if os.path.isfile(folder / "rgb.txt") or associations(folder) is not None:
        return True
    names = images_in(folder / "rgb")
    return bool(names) and re.fullmatch(r"\d+\.\d+", names[0].stem) is not None


def _recording_in(folder: Path, uri: str) -> Path:
    """`folder` or the one recording inside it."""
    if _is_recording(folder) or images_in(folder / "rgb"):
        return folder
    return choose_one(uri, "tum", [inner for inner in folders_in(folder) if _is_recording(inner)], "TUM recording")


class Moment(NamedTuple):
    """A picture, when it was taken, and the depth of that moment."""

    seconds: float
    colour: Path
    depth: Path | None


def _moments(folder: Path) -> tuple[list[Moment], list[Skip], list[str], str]:
    """The frames, what is unusable, notes, and why a frame without depth has none."""
    index = associations(folder)
    if index is not None and not os.path.isfile(folder / "rgb.txt"):
        pairs, skipped = paired(index)
        unit, name = unit_of([pair.stamp for pair in pairs])
        # ICL-NUIM numbers its frames, 30 a second
        numbered = not name and all(pair.stamp == int(pair.stamp) for pair in pairs)
        unit = 30.0 if numbered else unit
        return [Moment(pair.stamp / unit, pair.colour, pair.depth) for pair in pairs], skipped, _counted(name), ""
    colour, skipped = listed(folder, "rgb")
    depth, lost = listed(folder, "depth")
    unit, name = unit_of([frame.stamp for frame in colour])
    seconds = [frame.stamp / unit for frame in colour]
    depth_unit, _ = unit_of([frame.stamp for frame in depth])
    partner = pair(seconds, [frame.stamp / depth_unit for frame in depth], TOLERANCE)
    moments = [
        Moment(stamp, frame.path, depth[partner[i]].path if i in partner else None)
        for i, (stamp, frame) in enumerate(zip(seconds, colour))
    ]
    missing = "no depth frame within 0.02 s" if depth else "recording has no depth"
    return moments, skipped + lost, [*_counted(name), *_unlisted(folder, colour, skipped)], missing


def _unlisted(folder: Path, colour: list[Stamped], skipped: list[Skip]) -> list[str]:
    """A note on pictures that the list does not have: it may be cut."""
    known = {frame.path.stem for frame in colour} | {skip.name for skip in skipped}
    others = [path.name for path in images_in(folder / "rgb") if path.stem not in known]
    return [f"left out: {len(others)} files of rgb/ that rgb.txt does not list, e.g. {others[0]}"] if others else []


def _counted(unit: str) -> list[str]:
    return [f"time stamps are taken for {unit}"] if unit else []


def _scale(folder: Path, uri: str, options: Options) -> DepthScale:
    names = [Path(uri).name, folder.resolve().name, *(parent.name for parent in folder.resolve().parents)]
    origin = "its publishers' scale" if is_known(names) else "assumed, as TUM's format has it"
    return DepthScale.choose(options, UNITS_PER_METRE, origin)


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
