"""What `--data` and `--val` name: recordings, folders of them, a kind alone that is looked for in the usual places."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.sources import Recording, Skip, kinds, open_source, recognized, split_kind, split_part
from streamseg.sources.index import open_all as open_all_of_index
from streamseg.sources.reading.left_out import ARCHIVES
from streamseg.sources.reading.recording_index import is_index
from streamseg.sources.reading.shard_index import is_packed
from streamseg.sources.reading.video import VIDEOS
from streamseg.sources.shards import open_all
from streamseg.urls import is_store

VARIABLE = "STREAMSEG_DATA"
DEPTH = 4
"""How deep below a folder recordings are looked for: CO3D has category/sequence, DAVIS JPEGImages/480p/sequence."""
GET = {
    "co3d": "get a category of CO3D (CC BY-NC 4.0): streamseg data co3d apple",
    "tum": "get a sequence of TUM RGB-D: streamseg data tum fr1/desk",
    "davis": "get DAVIS (480p): streamseg data davis",
    "ocid": "get OCID: streamseg data ocid",
}


LeaveOut = Callable[[Skip], None]


def open_recordings(names: Sequence[str], leave_out: LeaveOut = lambda _: None) -> list[Recording]:
    """Open every recording that `names` name, in that order, folders searched alphabetically.

    A name is a path, "kind:path", or a kind alone ("co3d"), which is looked for as a folder of that name in the working
    folder and in $STREAMSEG_DATA; "#part" behind it chooses a part of each recording ("co3d:apple#fewview_dev/train").
    leave_out: called with each video, archive or recording in a folder that cannot be used, and why. Raises SourceError
    where there is none, or where it is a live source.
    """
    return [recording for name in names for recording in _named(name, leave_out)]


def absolute(name: str) -> str:
    """`name` with the whole path of what it names, where that is here; other words as they are."""
    kind, rest = split_kind(name)
    path, part = split_part(rest)
    if not path or not os.path.exists(os.path.expanduser(path)):
        return name
    whole = os.path.abspath(os.path.expanduser(path))
    return (f"{kind}:" if kind else "") + whole + (f"#{part}" if part else "")


def place_of(name: str) -> str:
    """The real path of what `name` names, without kind and part; of a word that is no path, one that may not exist."""
    return os.path.realpath(os.path.expanduser(split_part(split_kind(name)[1])[0]))


def _named(name: str, leave_out: LeaveOut) -> list[Recording]:
    kind, path = split_kind(name)
    path, part = split_part(path)
    tail = f"#{part}" if part else ""
    packed = os.path.expanduser(path)
    if not part and kind in (None, "shards") and (is_store(path) or is_packed(packed)):
        return open_all(path if is_store(path) else packed)
    if not part and kind in (None, "index") and is_index(packed):
        return open_all_of_index(packed, leave_out)
    if kind is None and path in kinds() and not os.path.exists(path):
        return _below(str(_looked_for(path)), path, tail, leave_out)
    if os.path.isdir(os.path.expanduser(path)):
        return _below(path, kind, tail, leave_out)
    return [_opened(name)]


def _looked_for(kind: str) -> Path:
    places = [Path.cwd() / kind]
    if os.environ.get(VARIABLE):
        places.append(Path(os.environ[VARIABLE]) / kind)
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise SourceError(
            f"no {kind} here: looked for {' and '.join(map(str, places))}",
            f"{GET.get(kind, 'put recordings there')}; then give --data {kind}:FOLDER, or set ${VARIABLE}",
        )
    return found


def _below(folder: str, kind: str | None, tail: str, leave_out: LeaveOut, depth: int = DEPTH) -> list[Recording]:
    """The folder itself if it is one recording, else those below it. tail: "#part", or "" for all of them."""
    folder = os.path.expanduser(folder)
    try:
        return [_opened((f"{kind}:{folder}" if kind else folder) + tail)]
    except SourceError as problem:
        if depth == 0:
            raise
        found: list[Recording] = []
        lost: list[Skip] = []
        for path in _children(folder):
            inside = os.path.isdir(path)
            try:
                found += _below(path, kind, tail, leave_out, depth - 1) if inside else [_opened(path + tail)]
            except SourceError as reason:  # a folder of notes beside recordings is no reason to stop
                if not inside or recognized(path):
                    lost.append(Skip(path, str(reason)))
        if not found:
            raise (problem if len(lost) != 1 else SourceError(lost[0].reason, problem.hint)) from None
        for skip in lost:
            leave_out(skip)
        return found


def _children(folder: str) -> list[str]:
    """Sub-folders, videos and archives, in alphabetical order, hidden ones left out."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    paths = [os.path.join(folder, name) for name in names]
    return [path for path in paths if os.path.isdir(path) or VIDEOS.fullmatch(path) or ARCHIVES.fullmatch(path)]


def _opened(uri: str) -> Recording:
    source = open_source(uri)
    if not isinstance(source, Recording):
        source.close()
        raise SourceError(f"{uri!r} is live; training needs recordings", "record it first, then give the file")
    return source
