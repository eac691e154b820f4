"""Files that are whole or absent, names that every file system takes, folders that one run at a time writes into."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamseg.errors import OutputError

LOCK = ".streamseg.lock"
NAME_BYTES = 160
"""File systems take 255 bytes, of which temporary names and suffixes need some."""
LEFT_OVER_SECONDS = 24 * 3600
"""A temporary file in a shared folder is left over when its process has ended, or, of another machine, when it is older
than this."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]')
_STRAY = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_OWNER = re.compile(r"\.partial-(?P<process>\d{1,9})@(?P<machine>[\w-]*)")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


class PartialFile:
    """A file under construction: it lies at `temporary`, a hidden sibling with the same suffix, until `commit`.

    shared: whether other processes may write the same file at the same time, as in a cache: the temporary name is then
    this process's own. What lies at `temporary`, such as a link or what a killed run left, is removed first.
    """

    def __init__(self, path: Path, shared: bool = False) -> None:
        self.path = path
        owner = f"-{os.getpid()}@{_here()}" if shared else ""
        self.temporary = path.with_name(f".{path.stem}.partial{owner}{path.suffix}")
        if shared:
            _remove_left_over(path.parent)
        self.discard()

    def commit(self, durable: bool = False) -> None:
        """Give the file its name, in place of what had it. durable: see `written`."""
        if durable:
            with self.temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(self.temporary, self.path)

    def discard(self) -> None:
        """Remove what was written; does nothing after `commit`."""
        self.temporary.unlink(missing_ok=True)


@contextmanager
def written(path: Path, shared: bool = False, durable: bool = False) -> Iterator[Path]:
    """Give the temporary path to write to; at the end the file gets its name. After any error nothing is left, and what
    `path` held stays. Raises OSError.

    shared: see `PartialFile`. durable: wait for the disk, so that a machine that dies has the old file or the new one.

        with written(path) as temporary:
            temporary.write_text(...)
    """
    file = PartialFile(path, shared)
    try:
        yield file.temporary
        file.commit(durable)
    finally:
        with suppress(OSError):  # an error is on its way, most likely with the same cause
            file.discard()


def make_folders(folder: Path, name: str) -> None:
    """Make the folders that lead to a file `name` ("/" between folders) below `folder`, which has to exist: one that
    has gone meanwhile stays gone."""
    for inner in reversed((folder / name).relative_to(folder).parents[:-1]):
        (folder / inner).mkdir(exist_ok=True)


def _remove_left_over(folder: Path) -> None:
    for old in folder.glob(".*.partial-*"):
        with suppress(OSError):  # another process may be quicker
            owner = _OWNER.search(old.name)
            ended = owner and owner["machine"] == _here() and not runs(int(owner["process"]))
            if ended or time.time() - old.lstat().st_mtime > LEFT_OVER_SECONDS:
                old.unlink()


def runs(process: int) -> bool:
    """Whether there is a process of this number on this machine; where that cannot be told, there is."""
    if sys.platform == "win32":  # there a signal of 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _here() -> str:
    """This machine, as a part of a file's name."""
    return re.sub(r"[^\w-]", "_", platform.node())[:40]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_name(name: str) -> str:
    """`name` as the name of a file or folder, on any system: what may not stand in one becomes "_"; what is too long is
    cut and ends in a hash of the whole. Two names may become one: see `UniqueNames`."""
    # bytes of a name that is not Unicode stay as they are; other lone surrogates stand for nothing
    whole = _STRAY.sub("_", name).encode("utf-8", errors="surrogateescape")
    raw = _FORBIDDEN.sub("_", whole.decode("utf-8", errors="surrogateescape")).encode("utf-8", errors="surrogateescape")
    if len(raw) > NAME_BYTES:
        digest = hashlib.sha256(raw).hexdigest()[:8]
        raw = raw[: NAME_BYTES - 9].decode("utf-8", errors="ignore").encode() + b"-" + digest.encode()
    safe = raw.decode("utf-8", errors="surrogateescape")
    if not safe.strip(". ") or safe[0] == "." or _DEVICES.match(safe):
        safe = "_" + safe.lstrip(".")  # hidden, or reserved
    return safe.rstrip(". ") + "_" if safe[-1] in ". " else safe


class UniqueNames:
    """Safe names, each given once: a later name that would be the same gets "-2", "-3" and so on."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, name: str) -> str:
        safe = unique = safe_name(name)
        number = 1
        while _compared(unique) in self._given:
            number += 1
            unique = f"{safe}-{number}"
        self._given.add(_compared(unique))
        return unique


def _compared(name: str) -> str:
    """`name` as the file system compares it: some do not tell upper from lower case."""
    return name.casefold() if sys.platform in ("win32", "darwin") else name


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While inside, nobody else gets in with the same folder, which exists. The lock goes with the process, however
    that ends. Raises OutputError where another process has it, OSError where the folder cannot be written.

    File systems without locks (some cluster disks) give none, and then nobody is kept out.
    """
    path = folder / LOCK
    handle = _open_lock(path)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file, and nothing depends on it
            path.unlink()
        os.close(handle)


def _open_lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            _take(handle)
            # whoever had it has removed it meanwhile: then this one locks nobody out
            if sys.platform == "win32" or os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BaseException as problem:
            os.close(handle)
            if isinstance(problem, OSError) and problem.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                raise OutputError(
                    f"another run is writing into {str(path.parent)!r}", "wait for it, or choose another -o"
                ) from problem
            raise
        os.close(handle)


def _take(handle: int) -> None:
    """Lock the open file, or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
