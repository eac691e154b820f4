"""A path that no kind of source recognizes: the recordings that may lie inside it, or why it cannot be opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from streamseg import plugins
from streamseg.text import first_few

MAX_ENTRIES = 100
"""Entries of a folder that are tried: recognizing one reads files."""
OTHER_PATH = "give a video, a folder of images or that of a recording; if it is one, force its kind, e.g. video:PATH"


def entries_of(uri: str) -> list[str]:
    """Return the paths in folder `uri` that may be recordings, by name: its folders, and its .tgz archives without a
    folder of the same name. Hidden ones are left out. [] if `uri` is not a folder or cannot be read."""
    try:
        with os.scandir(uri) as entries:
            items = sorted((item.name, item.path, item.is_dir()) for item in entries if not item.name.startswith("."))
    except (OSError, ValueError):
        return []
    folders = {name for name, _, is_dir in items if is_dir}
    archives = {name for name, _, is_dir in items if not is_dir and name.endswith((".tgz", ".tar.gz"))}
    wanted = folders | {name for name in archives if name.removesuffix(".tgz").removesuffix(".tar.gz") not in folders}
    return [path for name, path, _ in items if name in wanted][:MAX_ENTRIES]


def explain(uri: str, inner: Sequence[str], outer: str, kinds: Iterable[str]) -> tuple[str, str]:
    """Return the message and the hint of the error for `uri`.

    inner: recordings inside it. outer: the folder of the file `uri`, if that folder is a recording, else "". kinds: of
    all sources.
    """
    if not os.path.exists(uri):
        kind, colon, place = uri.partition(":")
        if kind == "file":  # as file managers paste a path
            return f"there is no {uri!r}", f"give the path alone: {unquote(place.removeprefix('//'))}"
        if colon and kind.isidentifier() and kind not in kinds:
            return f"there is no {uri!r}, and no source is called {kind!r}", plugins.did_you_mean(kind, kinds)
        return f"there is no {uri!r}", "give a folder, a video file, a camera number or an rtsp:// address"
    left_out = plugins.load("streamseg.sources.reading", "left_out")
    if any(os.path.basename(path).lower() in left_out.DEPTH_FOLDERS for path in inner):
        pair = "name the files of a pair alike, or list them in rgb.txt and depth.txt as TUM does"
        return f"{uri!r} holds colour and depth, but no two of their files have the same name", pair
    if inner:
        return f"{uri!r} holds {len(inner)} recordings: {first_few(inner)}", f"give one of them, e.g. {inner[0]}"
    if not os.access(uri, os.R_OK):
        return f"{uri!r} cannot be read", "check its permissions"
    if os.path.isdir(uri):
        files = sorted(os.listdir(uri))
        if not files:
            return f"the folder {uri!r} is empty", "give a folder that holds images or a recording"
        unread = [name for name in files if left_out.OTHERS.fullmatch(name)]
        if unread:
            return f"{uri!r} holds pictures of a format that is not read: {first_few(unread)}", "convert them to PNG"
        return f"the folder {uri!r} holds no images, no video and no recording, but {first_few(files)}", OTHER_PATH
    if not os.path.isfile(uri):
        return f"{uri!r} is not a regular file", "save what it gives into a file, and give that"
    if not os.path.getsize(uri):
        return f"the file {uri!r} is empty", "get it again, or give another one"
    if left_out.OTHERS.fullmatch(os.path.basename(uri)):
        return f"{uri!r} is a picture of a format that is not read", "convert it to PNG"
    if left_out.ARCHIVES.fullmatch(os.path.basename(uri)):
        return (
            f"{uri!r} is an archive; only .tgz and .tar.gz of TUM recordings are read as they are",
            "unpack it, and give the folder",
        )
    hint = f"give the recording that it belongs to: {outer}" if outer else OTHER_PATH
    return f"{uri!r} is neither a video, nor an image, nor a recording", hint
