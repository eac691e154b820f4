"""Finds every recording that the user's arguments name: recordings, folders of them, glob patterns and list files.

No recording is opened, so that 19,000 are found in seconds. Whether one can be read is known when it is opened.
"""

from __future__ import annotations

import glob
import json
import os
import shlex
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from streamseg import plugins
from streamseg.errors import SourceError
from streamseg.files import MANIFEST
from streamseg.sources import is_live, kind_of, module_of, split_kind, split_part
from streamseg.sources.reading.left_out import LAYOUT
from streamseg.sources.recording import refusal
from streamseg.sources.unrecognized import OTHER_PATH
from streamseg.text import first_few, without_secrets
from streamseg.urls import is_store

LIST_SUFFIXES = (".txt", ".lst", ".list")
LOOSE = ("images", "video")
"""Kinds that a folder has because of single files in it. Its folders may be recordings, too, but folders of images in
it, such as masks or thumbnails, are not."""
NAMED = 3
"""Folders that a text names; for more, it gives a pattern."""
MAX_DEPTH = 4
"""Levels below a folder that are searched: CO3D has category/sequence, DAVIS JPEGImages/480p/sequence."""


LeftOut = dict[str, list[str]]
"""{folder with loose images or videos: the folders of images in it, which are left out}."""


def expand(names: Iterable[str], left_out: LeftOut | None = None) -> list[str]:
    """Return the uris of all recordings that `names` name, without duplicates, in the order of `names`.

    A name is a recording as `open_source` takes it; a folder of recordings, which is searched in alphabetical order;
    "co3d:ROOT", "co3d:ROOT#SUBSET", "davis:ROOT" or "davis:ROOT#2017/val" (a list of ImageSets/); a pattern with *, ?,
    [] or **; or a text file with one name per line, relative to that file, where # starts a comment. Paths in the
    result are absolute. left_out: gets the folders that are left out; `unnamed` describes them. Raises SourceError for
    a name without recordings, and for a live source.
    """
    left_out = {} if left_out is None else left_out
    return list(dict.fromkeys(uri for name in names for uri in _expand_name(name, left_out)))


def unnamed(left_out: LeftOut, uris: Collection[str]) -> dict[str, str]:
    """Return {folder: what is left out of it, and what to type to have it, too}, without what `uris` hold anyway."""
    texts = {}
    for folder, paths in left_out.items():
        inside = [os.path.relpath(path, folder) for path in dict.fromkeys(paths) if path not in uris]
        # `run` describes folders of these names as part of the recording, and does not mention them either
        inside = [path for path in inside if not LAYOUT.intersection(path.lower().split(os.sep))]
        if inside:
            one = len(inside) == 1
            what, they, them = ("the folder", "it", "it") if one else (f"{len(inside)} folders", "they", "them")
            patterns = inside if len(inside) <= NAMED else [os.path.join("*", "")]
            sources = " ".join(shlex.quote(os.path.join(folder, pattern)) for pattern in patterns)
            texts[folder] = (
                f"{what} of images ({first_few(inside, NAMED)}), because {they} may be masks of the files beside "
                f"{them}; to have {them}, too, add {sources}"
            )
    return texts


def _expand_name(name: str, left_out: LeftOut, base: str = "") -> list[str]:
    """Return the uris of the recordings of one name. base: the folder that a relative path starts from."""
    kind, path = split_kind(name)
    if kind == "shards" and is_store(path):
        return [f"{kind}:{uri}" for uri in plugins.load("streamseg.sources", kind).expand(path)]
    local = os.path.join(base, os.path.expanduser(path))
    if is_live(local if kind is None and os.path.exists(local) else name):  # in a list, 0 may be a folder beside it
        raise refusal(name, "is live, and recordings are needed")
    if is_store(path):
        raise SourceError(f"{without_secrets(name)!r} is not on this machine", "copy it here, and give its path")
    path, part = split_part(local)
    paths = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
    if not paths:
        what = "no file matches" if glob.has_magic(path) else "there is no"
        raise SourceError(f"{what} {path!r}", "give recordings, folders of them, a pattern in quotes or a list file")
    part_suffix = f"#{part}" if part else ""
    uris: list[str] = []
    for absolute in map(os.path.abspath, paths):
        if os.path.isfile(absolute) and absolute.lower().endswith(LIST_SUFFIXES) and kind is None:
            uris += _expand_list(Path(absolute), left_out)
        else:
            uris += _search(absolute, kind, part_suffix, MAX_DEPTH, left_out)
    if not uris:
        raise SourceError(f"{name!r} holds no recording", OTHER_PATH)
    return uris


def _expand_list(path: Path, left_out: LeftOut) -> list[str]:
    """Return the uris of the recordings that the lines of a list file name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as problem:
        raise SourceError(f"the list {str(path)!r} cannot be read: {problem}", "save it as UTF-8 text") from None
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [uri for name in names for uri in _expand_name(name, left_out, str(path.parent))]


def _search(path: str, kind: str | None, part_suffix: str, depth: int, left_out: LeftOut) -> Iterator[str]:
    """Yield the recordings at `path`, which exists, or up to `depth` levels below it. part_suffix: "#PART" or ""."""
    module = plugins.load("streamseg.sources", kind) if kind else module_of(path)
    if module is not None:
        inside = module.expand(path + part_suffix) if hasattr(module, "expand") else []
        prefix = f"{kind}:" if kind and not getattr(module, "EXPANDS_TO_OTHER_KINDS", False) else ""
        yield from (prefix + uri for uri in inside or [path + part_suffix])
    if depth and not kind and os.path.isdir(path) and kind_of(module) in ("", *LOOSE):
        for child in _children(path, folders_only=module is not None):
            for uri in _search(child, None, part_suffix, depth - 1, left_out):
                if module is None or kind_of(module_of(uri)) != "images":
                    yield uri
                else:
                    left_out.setdefault(path, []).append(uri)


def _children(folder: str, folders_only: bool) -> list[str]:
    """Return the folders in `folder`, and its files, by name, without hidden ones and results of runs; [] if it cannot
    be read."""
    try:
        with os.scandir(folder) as entries:
            items = [item for item in entries if item.name[0] != "."]
    except OSError:
        return []
    folders = [item.path for item in items if item.is_dir() and not _is_result(item.path)]
    files = [] if folders_only else [item.path for item in items if item.is_file()]
    return sorted(folders + files)


def _is_result(path: str) -> bool:
    """Return whether a folder holds the results of a run: a second batch must not segment the first one's overlays."""
    try:
        return "written" in json.loads(Path(path, MANIFEST).read_bytes())
    except (OSError, ValueError, TypeError):
        return False
