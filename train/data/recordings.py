"""What `--data` and `--val` name: recordings, folders of them, a kind alone that is looked for in the usual places."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.sources import Recording, kinds, open_source, split_kind, split_part
from streamseg.sources.video import VIDEO

VARIABLE = "STREAMSEG_DATA"
DEPTH = 4
"""How deep below a folder recordings are looked for: CO3D has category/sequence, DAVIS JPEGImages/480p/sequence."""
GET = {
    "co3d": "get a category of CO3D (CC BY-NC 4.0): streamseg data co3d apple",
    "tum": "get a sequence of TUM RGB-D: streamseg data tum fr1/desk",
    "davis": "get DAVIS (480p): streamseg data davis",
    "ocid": "get OCID: streamseg data ocid",
}


def open_recordings(names: Sequence[str]) -> list[Recording]:
    """Open every recording that `names` name, in that order, folders searched alphabetically.

    A name is a path, "kind:path", or a kind alone ("co3d"), which is looked for as a folder of that name in the working
    folder and in $STREAMSEG_DATA; "#part" behind it chooses a part of each recording ("co3d:apple#fewview_dev/train").
    Raises SourceError where there is none, or where it is a live source.
    """
    return [recording for name in names for recording in _named(name)]


def _named(name: str) -> list[Recording]:
    kind, path = split_kind(name)
    path, part = split_part(path)
    tail = f"#{part}" if part else ""
    if kind is None and path in kinds() and not os.path.exists(path):
        return _below(str(_looked_for(path)), path, tail)
    if os.path.isdir(os.path.expanduser(path)):
        return _below(path, kind, tail)
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


def _below(folder: str, kind: str | None, tail: str, depth: int = DEPTH) -> list[Recording]:
    """The folder itself if it is one recording, else those below it. tail: "#part", or "" for all of them."""
    folder = os.path.expanduser(folder)
    try:
        return [_opened((f"{kind}:{folder}" if kind else folder) + tail)]
    except SourceError as problem:
        if depth == 0:
            raise
        inner = _children(folder)
        found: list[Recording] = []
        for path in inner:
            try:
                found += _below(path, kind, tail, depth - 1) if os.path.isdir(path) else [_opened(path + tail)]
            except SourceError:
                continue  # a folder of notes beside recordings is no reason to stop
        if not found:
            raise problem
        return found


def _children(folder: str) -> list[str]:
    """Sub-folders and videos, in alphabetical order, hidden ones left out."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    paths = [os.path.join(folder, name) for name in names]
    return [path for path in paths if os.path.isdir(path) or VIDEO.fullmatch(path)]


def _opened(uri: str) -> Recording:
    source = open_source(uri)
    if not isinstance(source, Recording):
        source.close()
        raise SourceError(f"{uri!r} is live; training needs recordings", "record it first, then give the file")
    return source
