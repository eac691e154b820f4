"""Files that are exported: their names; and that they come whole or not at all.

They are checked before the work, written aside, and renamed at the end.
"""

from __future__ import annotations

import errno
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamseg import files
from streamseg.errors import OutputError
from streamseg.sinks import HINTS

MODELS = (".pt", ".ckpt", ".pth", ".onnx", ".xml", ".plan", ".engine")


def stem(model: str) -> str:
    """A file name for what is made of a model: "ckpt" of runs/ckpt.pt, "vit_tiny" of timm:vit_tiny."""
    path = Path(model)
    return slug(path.stem if path.suffix.lower() in MODELS else model.removeprefix("timm:"))


def slug(text: str) -> str:
    """`text` as part of a file name: "NVIDIA H100 80GB HBM3" -> "NVIDIA_H100_80GB_HBM3"."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in text)


@contextmanager
def written(path: Path, needs: int = 0) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it becomes `path` when the block ends well.

    Otherwise it goes, also at Ctrl-C and SIGTERM, and an old `path` stays as it was. needs: bytes that will be
    written at least. Raises OutputError, before the block where the reason can be known by then.
    """
    _check(path, needs)
    try:
        with _interruptible(), files.written(path, durable=True) as temporary:
            yield temporary
    except OSError as problem:
        raise _unwritable(path, problem) from problem


def _check(path: Path, needs: int) -> None:
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder", f"name a file, for example -o {path / 'net'}{path.suffix}")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}", "make it first")
    try:
        probe = files.PartialFile(path)
        probe.temporary.touch()
        probe.discard()
        room = shutil.disk_usage(path.parent).free
    except OSError as problem:
        raise _unwritable(path, problem) from problem
    if room < needs:
        message = f"cannot write {str(path)!r}: {room / 1e6:.0f} MB are free, {needs / 1e6:.0f} MB are needed"
        raise OutputError(message, HINTS[errno.ENOSPC])


def _unwritable(path: Path, problem: OSError) -> OutputError:
    hint = HINTS.get(problem.errno or 0, "choose another -o")
    return OutputError(f"cannot write {str(path)!r}: {problem.strerror or problem}", hint)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the block like Ctrl-C does, by an exception, so that what is half done can be removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
