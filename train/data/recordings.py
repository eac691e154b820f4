"""Opens the recordings of `--data` and `--val`: recordings, folders of them, or all recordings of a kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.sources import Recording, Skip, kinds, recognized, split_kind, split_part
from streamseg.sources.index import open_all as open_all_of_index
from streamseg.sources.reading.left_out import ARCHIVES
from streamseg.sources.reading.recording_index import is_index
from streamseg.sources.reading.shard_index import is_packed
from streamseg.sources.reading.video import VIDEOS
from streamseg.sources.recording import open_recording
from streamseg.sources.shards import open_all
from streamseg.urls import is_store

DATA_VARIABLE = "STREAMSEG_DATA"
"""Environment variable with the folder in which a kind alone is searched."""
DEPTH = 4
"""Levels below a folder that are searched. CO3D has category/sequence, DAVIS has JPEGImages/480p/sequence."""
DOWNLOAD_HINTS = {
    "co3d": "get a category of CO3D (CC BY-NC 4.0): streamseg data co3d apple",
    "tum": "get a sequence of TUM RGB-D: streamseg data tum fr1/desk",
    "davis": "get DAVIS (480p): streamseg data davis",
    "ocid": "get OCID: streamseg data ocid",
}
"""Hints how to get the recordings of a kind, for errors."""


LeaveOut = Callable[[Skip], None]


def open_recordings(names: Sequence[str], leave_out: LeaveOut = lambda _: None) -> list[Recording]:
    """Open all recordings that `names` name, in that order; folders are searched in alphabetical order.

    A name is a path, "kind:path", or a kind alone ("co3d"), which is searched as a folder of that name in the working
    folder and in $STREAMSEG_DATA. "#part" after it selects a part of each recording ("co3d:apple#fewview_dev/train").

    leave_out: called for each video, archive or recording in a folder that cannot be used. Raises SourceError if there
    is no recording, or if a source is live.
    """
    return [recording for name in names for recording in _named(name, leave_out)]


def absolute(name: str) -> str:
    """Return `name` with an absolute path if that path exists, else `name` itself."""
    kind, rest = split_kind(name)
    path, part = split_part(rest)
    if not path or not os.path.exists(os.path.expanduser(path)):
        return name
    absolute_path = os.path.abspath(os.path.expanduser(path))
    return (f"{kind}:" if kind else "") + absolute_path + (f"#{part}" if part else "")


def real_path_of(name: str) -> str:
    """Return the real path in `name`, without kind and part. The path of a name that is not a path need not exist."""
    return os.path.realpath(os.path.expanduser(split_part(split_kind(name)[1])[0]))


def _named(name: str, leave_out: LeaveOut) -> list[Recording]:
    kind, path = split_kind(name)
    path, part = split_part(path)
    suffix = f"#{part}" if part else ""
    expanded = os.path.expanduser(path)
    if not part and kind in (None, "shards") and (is_store(path) or is_packed(expanded)):
        return open_all(path if is_store(path) else expanded)
    if not part and kind in (None, "index") and is_index(expanded):
        return open_all_of_index(expanded, leave_out)
    if kind is None and path in kinds() and not os.path.exists(path):
        return _search(str(_folder_of_kind(path)), path, suffix, leave_out)
    if os.path.isdir(os.path.expanduser(path)):
        return _search(path, kind, suffix, leave_out)
    return [_opened(name)]


def _folder_of_kind(kind: str) -> Path:
    places = [Path.cwd() / kind]
    if os.environ.get(DATA_VARIABLE):
        places.append(Path(os.environ[DATA_VARIABLE]) / kind)
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise SourceError(
            f"no {kind} here: looked for {' and '.join(map(str, places))}",
            f"{DOWNLOAD_HINTS.get(kind, 'put recordings there')}; "
            f"then give --data {kind}:FOLDER, or set ${DATA_VARIABLE}",
        )
    return folder


def _search(folder: str, kind: str | None, suffix: str, leave_out: LeaveOut, depth: int = DEPTH) -> list[Recording]:
    """Return the folder itself if it is one recording, else the recordings below it.

    suffix: "#part", or "" for all parts. depth: number of levels to search.
    """
    folder = os.path.expanduser(folder)
    try:
        return [_opened((f"{kind}:{folder}" if kind else folder) + suffix)]
    except SourceError as problem:
        if depth == 0:
            raise
        recordings: list[Recording] = []
        unusable: list[Skip] = []
        for path in _children(folder):
            is_folder = os.path.isdir(path)
            try:
                recordings += (
                    _search(path, kind, suffix, leave_out, depth - 1) if is_folder else [_opened(path + suffix)]
                )
            except SourceError as reason:  # other folders may lie beside recordings
                if not is_folder or recognized(path):
                    unusable.append(Skip(path, str(reason)))
        if not recordings:
            raise (problem if len(unusable) != 1 else SourceError(unusable[0].reason, problem.hint)) from None
        for skip in unusable:
            leave_out(skip)
        return recordings


def _children(folder: str) -> list[str]:
    """Return the sub-folders, videos and archives of a folder, in alphabetical order, without hidden ones."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    paths = [os.path.join(folder, name) for name in names]
    return [path for path in paths if os.path.isdir(path) or VIDEOS.fullmatch(path) or ARCHIVES.fullmatch(path)]


def _opened(uri: str) -> Recording:
    return open_recording(uri, why="is live; training needs recordings")
