"""Unpacking archives that nobody vouches for: plain files and folders come out, anything else ends in an error.

Python's own filters are not leaned on: before 3.11.13 chains of links longer than PATH_MAX lead them out of the folder
(CVE-2025-4517). Where no link is ever made, no path can lead out.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from streamseg.errors import SourceError

MEMBERS = 500_000
FLOOR, RATIO = 256 << 20, 30
"""An archive may grow to RATIO times its own size, or FLOOR bytes; recordings, of compressed pictures, hardly grow."""
HEADER = 1 << 20
"""Bytes of one header, such as a long name; tarfile reads it into memory whole."""
NAMES = {errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EILSEQ, errno.EINVAL}
"""Too long, a folder and a file of one name, or letters that the disk does not take."""
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    ValueError,
    OverflowError,
    RecursionError,
)


class Unsafe(Exception):
    """What an archive must not hold; the message says what."""


class _Stream:
    """The unpacked bytes of a .gz, forward only, counted, and never many at once."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file, self._limit, self._at = file, limit, 0
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= HEADER:
            raise Unsafe(f"a header of {size} bytes")
        data = self._file.read(size)
        self._at += len(data)
        self.last = data
        if self._at > self._limit:
            raise Unsafe(f"more than {self._limit >> 20} MiB when unpacked, absurdly many for its size")
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> int:
        if position < self._at:
            raise Unsafe("a member of negative size")
        while self._at < position and self.read(min(HEADER, position - self._at)):
            pass
        return self._at


def unpack(path: Path, folder: Path) -> None:
    """Unpack the .tar.gz or .zip `path` into the empty `folder`.

    Raises SourceError (unsafe, damaged, or names that no disk here takes) or OSError (no space).

    What was written by then stays in `folder`: the caller removes it.
    """
    try:
        if zipfile.is_zipfile(path):
            _unzip(path, folder)
            return
        with gzip.open(path) as file:
            stream = _Stream(file, max(FLOOR, RATIO * path.stat().st_size))
            with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
                for number, member in enumerate(archive):
                    if number == MEMBERS:
                        raise Unsafe(f"more than {MEMBERS} files")
                    _extract(archive, member, folder)
            if stream.last.strip(b"\0"):  # zeros end an archive; at a header that is none tarfile stops without a word
                raise tarfile.ReadError("a header in its middle cannot be read")
            while stream.read(HEADER):  # to its end, where the checksum stands
                pass
    except Unsafe as problem:
        raise SourceError(
            f"{str(path)!r} is not safe to unpack: {problem}", "get it from its publisher again"
        ) from None
    except DAMAGED as problem:
        raise SourceError(f"{str(path)!r} is truncated or damaged: {problem}", "download the archive again") from None
    except OSError as problem:
        if problem.errno not in NAMES:
            raise
        raise SourceError(
            f"{str(path)!r} holds names that cannot be written here: {problem.strerror}",
            "unpack it, and give the folder",
        ) from None


def _unzip(path: Path, folder: Path) -> None:
    limit, written = max(FLOOR, RATIO * path.stat().st_size), 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MEMBERS:
            raise Unsafe(f"more than {MEMBERS} files")
        for member in members:
            target = folder.joinpath(*_parts(member.filename))
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            if kind not in (0, stat.S_IFREG):
                raise Unsafe(f"{member.filename!r} is a link or a device")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # of two files of one name the later holds
            with archive.open(member) as data, target.open("xb") as file:
                while piece := data.read(HEADER):  # checked against its checksum at the end
                    written += len(piece)
                    if written > limit:
                        raise Unsafe(f"more than {limit >> 20} MiB when unpacked, absurdly many for its size")
                    file.write(piece)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder.joinpath(*_parts(member.name))
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    if not member.isreg() or member.issparse():
        raise Unsafe(f"{member.name!r} is a link, a device or a sparse file")
    data = archive.extractfile(member)
    assert data is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # of two files of one name the later holds
    with data, target.open("xb") as file:
        shutil.copyfileobj(data, file)


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a member's path. Raises Unsafe where they do not lead down."""
    parts = PurePosixPath(name).parts
    if "\0" in name or name.startswith("/") or ".." in parts or (os.name == "nt" and any(c in name for c in ":\\")):
        raise Unsafe(f"the name {name!r}")
    return parts
