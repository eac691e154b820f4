"""Atomic writes, file names that every file system accepts, and locks on output folders."""

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
MANIFEST = "run.json"
"""Describes a run, in its output folder: the settings, the results, and the files that it wrote."""
NAME_BYTES = 160
"""Longest safe name in bytes. File systems accept 255, of which temporary names and suffixes need a part."""
LEFT_OVER_SECONDS = 24 * 3600
"""Age in seconds from which a temporary file of another machine is taken as left over. A file of this machine is left
over when its process has ended."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]')
_OTHER_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_OWNER = re.compile(r"\.partial-(?P<process>\d{1,9})@(?P<machine>[\w-]*)")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


class PartialFile:
    """A file under construction. It is written to `temporary`, a hidden file beside it with the same suffix; `commit`
    renames it.

    shared: whether other processes may write the same file at the same time, as in a cache. The temporary name then
    contains the process number. A file or link that exists at `temporary` is removed first.
    """

    def __init__(self, path: Path, shared: bool = False) -> None:
        self.path = path
        owner = f"-{os.getpid()}@{_machine_name()}" if shared else ""
        self.temporary = path.with_name(f".{path.stem}.partial{owner}{path.suffix}")
        if shared:
            _remove_left_over(path.parent)
        self.discard()

    def commit(self, durable: bool = False) -> None:
        """Rename the file to its final name, and replace what had that name. durable: see `written`."""
        if durable:
            with self.temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(self.temporary, self.path)

    def discard(self) -> None:
        """Remove the temporary file; after `commit` there is none."""
        self.temporary.unlink(missing_ok=True)


@contextmanager
def written(path: Path, shared: bool = False, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` at the end. After an error the temporary file is
    removed, and a file that existed at `path` stays. Raises OSError.

    shared: see `PartialFile`. durable: flush the file to the disk first, so that after a power failure `path` is the
    old file or the new one.

        with written(path) as temporary:
            temporary.write_text(...)
    """
    file = PartialFile(path, shared)
    try:
        yield file.temporary
        file.commit(durable)
    finally:
        with suppress(OSError):  # do not hide the error that is being raised, which most likely has the same cause
            file.discard()


def make_folders(folder: Path, name: str) -> None:
    """Make the folders of the file `name` ("/" between folders) below `folder`. Raises FileNotFoundError if `folder`
    does not exist: an output folder that somebody has removed is not made again."""
    for inner in reversed((folder / name).relative_to(folder).parents[:-1]):
        (folder / inner).mkdir(exist_ok=True)


def _remove_left_over(folder: Path) -> None:
    """Remove the temporary files of processes that have ended."""
    for file in folder.glob(".*.partial-*"):
        with suppress(OSError):  # another process may have removed it
            owner = _OWNER.search(file.name)
            ended = owner and owner["machine"] == _machine_name() and not process_exists(int(owner["process"]))
            if ended or time.time() - file.lstat().st_mtime > LEFT_OVER_SECONDS:
                file.unlink()


def process_exists(process: int) -> bool:
    """Whether this machine has a process with this number; True if that cannot be determined."""
    if sys.platform == "win32":  # there signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _machine_name() -> str:
    """Return the name of this machine as a part of a file name."""
    return re.sub(r"[^\w-]", "_", platform.node())[:40]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_name(name: str) -> str:
    """Return `name` as a name of a file or folder that is valid on every system. Forbidden characters become "_"; a
    name that is too long is cut and ends in a hash of the whole. Two names may become equal: see `UniqueNames`."""
    # Python decodes a byte that is not Unicode to a surrogate, which is kept; any other surrogate stands for no byte
    whole = _OTHER_SURROGATES.sub("_", name).encode("utf-8", errors="surrogateescape")
    raw = _FORBIDDEN.sub("_", whole.decode("utf-8", errors="surrogateescape")).encode("utf-8", errors="surrogateescape")
    if len(raw) > NAME_BYTES:
        digest = hashlib.sha256(raw).hexdigest()[:8]
        raw = raw[: NAME_BYTES - 9].decode("utf-8", errors="ignore").encode() + b"-" + digest.encode()
    safe = raw.decode("utf-8", errors="surrogateescape")
    if not safe.strip(". ") or safe[0] == "." or _RESERVED.match(safe):
        safe = "_" + safe.lstrip(".")  # a hidden file, or a reserved name such as "nul"
    return safe.rstrip(". ") + "_" if safe[-1] in ". " else safe


class UniqueNames:
    """Gives every name a safe name, and never the same one twice: a repeated name gets "-2", "-3" and so on."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, name: str) -> str:
        safe = unique = safe_name(name)
        number = 1
        while _comparison_key(unique) in self._given:
            number += 1
            unique = f"{safe}-{number}"
        self._given.add(_comparison_key(unique))
        return unique


def _comparison_key(name: str) -> str:
    """Return `name` as the file system compares it: some ignore upper and lower case."""
    return name.casefold() if sys.platform in ("win32", "darwin") else name


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder`, which must exist, against other processes. The lock ends with the process, however that ends.
    Raises OutputError if another process has the lock, OSError if the folder cannot be written.

    A file system without locks (some cluster disks) keeps no process out.
    """
    path = folder / LOCK
    handle = _open_lock(path)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows cannot remove an open file; a lock file that stays does no harm
            path.unlink()
        os.close(handle)


def _open_lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            _lock(handle)
            # if the process that had the lock has just removed the file, this lock is on a file that nobody else opens
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


def _lock(handle: int) -> None:
    """Lock the open file without waiting. Raises OSError if another process has the lock."""
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
