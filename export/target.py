"""Name and write exported files. A file is written as a whole or not at all.

Its path is checked before the export begins. It is written under a temporary name, and renamed at the end.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamseg import files
from streamseg.errors import OutputError
from streamseg.runtime.signals import terminable
from streamseg.sinks import HINTS

MODELS = (".pt", ".ckpt", ".pth", ".onnx", ".xml", ".plan", ".engine")


def stem(model: str) -> str:
    """Return a file name, without a suffix, for a model: "ckpt" for runs/ckpt.pt, "vit_tiny" for timm:vit_tiny."""
    path = Path(model)
    return slug(path.stem if path.suffix.lower() in MODELS else model.removeprefix("timm:"))


def slug(text: str) -> str:
    """Return `text` as part of a file name: "NVIDIA_H100_80GB_HBM3" for "NVIDIA H100 80GB HBM3"."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in text)


@contextmanager
def written(path: Path, needs: int = 0) -> Iterator[Path]:
    """Yield a temporary file beside `path`, which is renamed to `path` if the block ends without an exception.

    After an exception, Ctrl-C or SIGTERM it is deleted, and an older file `path` stays the same. needs: bytes that will
    be written at least. Raises OutputError, before the block if possible.
    """
    _check(path, needs)
    try:
        with terminable(), files.written(path, durable=True) as temporary:
            yield temporary
    except OSError as problem:
        raise _unwritable(path, problem) from problem


def check_name(path: Path, *suffixes: str, exact: bool = False) -> None:
    """Raise OutputError if `path` is a folder, or if `run --model` would not recognize a network with this name.

    suffixes: in lower case. exact: refuse capital letters in the suffix, which `run` takes.
    """
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder", f"name a file, for example -o {path / 'net'}{suffixes[0]}")
    if (path.suffix if exact else path.suffix.lower()) not in suffixes:
        hint = f"-o takes a name that ends in {suffixes[0]}, such as {path.with_suffix(suffixes[0])}"
        raise OutputError(f"{str(path)!r} is not a name for this format", hint)


def _check(path: Path, needs: int) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}", "make it first")
    try:
        probe = files.PartialFile(path)
        probe.temporary.touch()
        probe.discard()
        free = shutil.disk_usage(path.parent).free
    except OSError as problem:
        raise _unwritable(path, problem) from problem
    if free < needs:
        message = f"cannot write {str(path)!r}: {free / 1e6:.0f} MB are free, {needs / 1e6:.0f} MB are needed"
        raise OutputError(message, HINTS[errno.ENOSPC])


def _unwritable(path: Path, problem: OSError) -> OutputError:
    hint = HINTS.get(problem.errno or 0, "choose another -o")
    return OutputError(f"cannot write {str(path)!r}: {problem.strerror or problem}", hint)
