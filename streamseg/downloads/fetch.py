"""Downloads archives, resumes interrupted downloads, verifies checksums, and unpacks the archives.

pooch verifies the hash and names the file. Until then, the download is a hidden file beside it.
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
CHUNK = 1 << 16  # bytes that are written at a time, and lost if the connection breaks
TIMEOUT = (10, 60)  # seconds to connect, and between two chunks
GROWTH = 1.2
"""Upper estimate of the size of the unpacked files, relative to the archive: images hardly compress further."""
DONE = ".fetched"
"""Folder with an empty file for each archive that has been unpacked."""

Progress = Callable[[str, int, int], None]
"""Called with the name of an archive, the bytes that are downloaded, and all of its bytes (0 = unknown)."""


def root() -> Path:
    """Return the folder of data sets, in which `--data co3d` searches: $STREAMSEG_DATA, or the working folder."""
    return Path(os.environ.get(VARIABLE) or Path.cwd())


def fetch(data_set: DataSet, folder: Path, progress: Progress, mirror: str = "") -> list[Path]:
    """Download the archives of a data set and unpack them into `folder`, except those that already were. Return the
    content of `folder`.

    mirror: a URL whose scheme and host replace the publisher's. Raises SourceError if the network, the file or the
    space is missing, the checksum is wrong, or the archive is damaged or unsafe.
    """
    try:
        (folder / DONE).mkdir(parents=True, exist_ok=True)
        for archive in data_set.archives:
            if not (folder / DONE / archive.name).exists():
                path = _download(data_set, archive, folder, progress, mirror)
                _unpack(path, folder)
                (folder / DONE / archive.name).touch()
                path.unlink()
    except OSError as error:
        raise SourceError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}", f"let ${VARIABLE} name another folder"
        ) from None
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _download(data_set: DataSet, archive: Archive, folder: Path, progress: Progress, mirror: str) -> Path:
    """Download one archive, and return its path."""
    import pooch
    import requests

    url = urlunsplit((*urlsplit(mirror)[:2], *urlsplit(archive.url)[2:])) if mirror else archive.url
    by_hand = f"try again, it goes on; or get it from {data_set.page} and unpack it into {folder}"

    def download(address: str, target: str, _pooch: Any) -> None:
        part = folder / f".{archive.name}.part"
        _resume(address, part, lambda done, total: progress(archive.name, done, total))
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
    except ValueError:  # pooch raises it for a hash that differs
        raise SourceError(
            f"{archive.name} is not what its publishers announce: its checksum differs", by_hand
        ) from None


def _resume(url: str, part: Path, progress: Callable[[int, int], None]) -> None:
    """Download `url` to `part`. Continue at the end of `part` if the server still has the same version of the file."""
    import requests

    version_file = part.with_name(part.name + "-etag")
    version = version_file.read_text() if part.exists() and version_file.exists() else ""
    done = part.stat().st_size if version else 0
    headers = {"Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={done}-", "If-Range": version} if done else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the part is complete, or longer than the file that the server has now
            part.unlink()
            version_file.unlink()
            return _resume(url, part, progress)
        response.raise_for_status()
        done = done if response.status_code == 206 else 0  # 206: the server continues; 200: it begins anew
        length = int(response.headers.get("Content-Length", 0))
        total = done + length if length else 0
        _require_space(part.parent, int(length + GROWTH * total))
        version_file.write_text(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
        with part.open("ab" if done else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total and done != total:
        raise requests.exceptions.ChunkedEncodingError("broken off")
    version_file.unlink(missing_ok=True)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SourceError(
            f"{str(folder)!r} has {free / 1e9:.1f} GB free, this takes {needed / 1e9:.1f} GB with its archive",
            f"free some space, or let ${VARIABLE} name a folder on another disk",
        )


def _unpack(path: Path, folder: Path) -> None:
    """Unpack the archive into a temporary folder, then move its files into `folder`."""
    temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        try:
            unpack(path, temporary)
        except SourceError:
            path.unlink()  # the archive is damaged: download it again next time
            raise
        for file in sorted(temporary.rglob("*")):
            target = folder / file.relative_to(temporary)
            if file.is_dir():
                target.mkdir(exist_ok=True)
            else:
                os.replace(file, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
