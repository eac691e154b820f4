"""Fetching archives: a download that was broken off goes on, its checksum holds, and it is unpacked as a whole or not.

pooch checks the hash and gives the file its name; what comes piece by piece lies in a hidden file beside it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from streamseg.downloads.catalogue import Archive, DataSet
from streamseg.errors import SourceError
from streamseg.sources.reading.archives import unpack

VARIABLE = "STREAMSEG_DATA"
CHUNK = 1 << 16  # what is lost when a connection breaks
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
GROWTH = 1.2
"""Space that an unpacked archive takes, of its own size: pictures hardly shrink further."""
DONE = ".fetched"

Progress = Callable[[str, int, int], None]
"""Told of an archive's name, bytes that are there, and bytes in all (0 = unknown)."""


def root() -> Path:
    """$STREAMSEG_DATA, or the working folder: where `--data co3d` looks."""
    return Path(os.environ.get(VARIABLE) or Path.cwd())


def fetch(found: DataSet, folder: Path, progress: Progress, mirror: str = "") -> list[Path]:
    """Get the archives of a set into `folder` and unpack them; those that were are left alone.

    mirror: scheme and host that stand in for the publishers'. Returns what lies in the folder then. Raises SourceError:
    no network, not there, no space, a wrong checksum, damaged or unsafe.
    """
    try:
        (folder / DONE).mkdir(parents=True, exist_ok=True)
        for archive in found.archives:
            if not (folder / DONE / archive.name).exists():
                path = _downloaded(found, archive, folder, progress, mirror)
                _unpacked(path, folder)
                (folder / DONE / archive.name).touch()
                path.unlink()
    except OSError as error:
        raise SourceError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}", f"let ${VARIABLE} name another folder"
        ) from None
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _downloaded(found: DataSet, archive: Archive, folder: Path, progress: Progress, mirror: str) -> Path:
    import pooch
    import requests

    url = urlunsplit((*urlsplit(mirror)[:2], *urlsplit(archive.url)[2:])) if mirror else archive.url
    by_hand = f"try again, it goes on; or get it from {found.page} and unpack it into {folder}"

    def download(address: str, target: str, _pooch: Any) -> None:
        part = folder / f".{archive.name}.part"
        _continue(address, part, lambda done, total: progress(archive.name, done, total))
        os.replace(part, target)

    pooch.get_logger().setLevel("ERROR")  # it prints hashes and paths to stderr
    try:
        return Path(pooch.retrieve(url, archive.hash, fname=archive.name, path=folder, downloader=download))
    except requests.HTTPError as error:
        status = "with an error" if error.response is None else error.response.status_code
        raise SourceError(f"{url} answers {status}", by_hand) from None
    except requests.exceptions.ChunkedEncodingError:
        raise SourceError(f"the connection to {urlsplit(url).netloc} broke off", by_hand) from None
    except requests.ConnectionError:
        raise SourceError(f"no connection to {urlsplit(url).netloc}", by_hand) from None
    except requests.RequestException as error:
        raise SourceError(f"{url} cannot be fetched: {type(error).__name__}", by_hand) from None
    except ValueError:  # pooch's word for a hash that does not match
        raise SourceError(
            f"{archive.name} is not what its publishers announce: its checksum differs", by_hand
        ) from None


def _continue(url: str, part: Path, progress: Callable[[int, int], None]) -> None:
    """Fetch `url` into `part`, from where `part` ends if the server still has the same file."""
    import requests

    mark = part.with_name(part.name + "-etag")
    known = mark.read_text() if part.exists() and mark.exists() else ""
    have = part.stat().st_size if known else 0
    headers = {"Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={have}-", "If-Range": known} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:  # it is there already, or the server has another one
            part.unlink()
            mark.unlink()
            return _continue(url, part, progress)
        answer.raise_for_status()
        have = have if answer.status_code == 206 else 0
        length = int(answer.headers.get("Content-Length", 0))
        total = have + length if length else 0
        _require_space(part.parent, int(length + GROWTH * total))
        mark.write_text(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
        with part.open("ab" if have else "wb") as file:
            for piece in answer.iter_content(CHUNK):
                file.write(piece)
                have += len(piece)
                progress(have, total)
    if total and have != total:
        raise requests.exceptions.ChunkedEncodingError("broken off")
    mark.unlink(missing_ok=True)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SourceError(
            f"{str(folder)!r} has {free / 1e9:.1f} GB free, this takes {needed / 1e9:.1f} GB with its archive",
            f"free some space, or let ${VARIABLE} name a folder on another disk",
        )


def _unpacked(path: Path, folder: Path) -> None:
    """Unpack the archive aside, then move its files to their places in `folder`."""
    aside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        try:
            unpack(path, aside)
        except SourceError:
            path.unlink()  # it would be damaged the next time, too
            raise
        for file in sorted(aside.rglob("*")):
            target = folder / file.relative_to(aside)
            if file.is_dir():
                target.mkdir(exist_ok=True)
            else:
                os.replace(file, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
