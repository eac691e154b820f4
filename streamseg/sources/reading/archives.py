"""Unpacks archives from untrusted sources: regular files and folders only; anything else is an error.

The extraction filters of tarfile are not used, because before Python 3.11.13 chains of links longer than PATH_MAX could
lead out of the folder (CVE-2025-4517). Here no link is ever made, so no path can lead out.
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

MAX_MEMBERS = 500_000
MIN_LIMIT, MAX_RATIO = 256 << 20, 30
"""An archive may unpack to MAX_RATIO times its size, and to MIN_LIMIT bytes in any case. Recordings consist of
compressed images, which hardly grow."""
MAX_READ = 1 << 20
"""Bytes that are read at a time. tarfile reads a header, such as a long name, at once."""
NAME_ERRORS = {
    errno.ENAMETOOLONG,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.EILSEQ,
    errno.EINVAL,
}
"""The name is too long, belongs to a folder and a file, or has characters that the file system refuses."""
ARCHIVE_ERRORS = (
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
    """An archive has something that is not unpacked; the message says what."""


class _LimitedStream:
    """The decompressed content of a .gz file, as a file object for tarfile: it moves forward only, and raises Unsafe if
    a read or the whole content is too large.

    last: the bytes of the last read.
    """

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file, self._limit, self._position = file, limit, 0
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise Unsafe(f"a header of {size} bytes")
        data = self._file.read(size)
        self._position += len(data)
        self.last = data
        if self._position > self._limit:
            raise Unsafe(f"more than {self._limit >> 20} MiB when unpacked, absurdly many for its size")
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise Unsafe("a member of negative size")
        while self._position < position and self.read(min(MAX_READ, position - self._position)):
            pass
        return self._position


def unpack(path: Path, folder: Path) -> None:
    """Unpack the .tar.gz or .zip `path` into the empty `folder`.

    Raises SourceError if the archive is unsafe or damaged, or has names that the file system refuses; OSError for other
    problems, such as a full disk. After an error, the caller removes what is in `folder`.
    """
    try:
        if zipfile.is_zipfile(path):
            _unzip(path, folder)
            return
        with gzip.open(path) as file:
            stream = _LimitedStream(file, _size_limit(path))
            with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
                for number, member in enumerate(archive):
                    if number == MAX_MEMBERS:
                        raise Unsafe(f"more than {MAX_MEMBERS} files")
                    _extract(archive, member, folder)
            if stream.last.strip(b"\0"):  # zeros end an archive; tarfile also stops, silently, at an invalid header
                raise tarfile.ReadError("a header in its middle cannot be read")
            while stream.read(MAX_READ):  # to the end, where gzip checks the checksum
                pass
    except Unsafe as problem:
        raise SourceError(
            f"{str(path)!r} is not safe to unpack: {problem}", "get it from its publisher again"
        ) from None
    except ARCHIVE_ERRORS as problem:
        raise SourceError(f"{str(path)!r} is truncated or damaged: {problem}", "download the archive again") from None
    except OSError as problem:
        if problem.errno not in NAME_ERRORS:
            raise
        raise SourceError(
            f"{str(path)!r} holds names that cannot be written here: {problem.strerror}",
            "unpack it, and give the folder",
        ) from None


def _size_limit(path: Path) -> int:
    """Return how many bytes an archive may unpack to."""
    return max(MIN_LIMIT, MAX_RATIO * path.stat().st_size)


def _unzip(path: Path, folder: Path) -> None:
    limit, written = _size_limit(path), 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise Unsafe(f"more than {MAX_MEMBERS} files")
        for member in members:
            target = folder.joinpath(*_parts(member.filename))
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            if kind not in (0, stat.S_IFREG):
                raise Unsafe(f"{member.filename!r} is a link or a device")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # if two members have one name, the later one is kept
            with archive.open(member) as data, target.open("xb") as file:
                while piece := data.read(MAX_READ):  # the last read checks the checksum
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
    target.unlink(missing_ok=True)  # if two members have one name, the later one is kept
    with data, target.open("xb") as file:
        shutil.copyfileobj(data, file)


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a member's path. Raises Unsafe if the path may lead out of the folder."""
    parts = PurePosixPath(name).parts
    if "\0" in name or name.startswith("/") or ".." in parts or (os.name == "nt" and any(c in name for c in ":\\")):
        raise Unsafe(f"the name {name!r}")
    return parts
