"""Access to the user's cache folder, which holds exported networks, compiled engines and facts about timm's models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamseg import files
from streamseg.backbones import checkpoint
from streamseg.cache import VARIABLE, root
from streamseg.errors import ModelError


def require_unicode(path: str | Path) -> None:
    """Raise ModelError for a file name that is not Unicode, because no runtime opens such a file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        what = f"the name {str(path)!r} is not Unicode, and no runtime opens such a file"
        raise ModelError(what, f"rename it; of the cache: set {VARIABLE}") from None


def folder(name: str = "models") -> Path:
    """Return a subfolder of the cache folder, which is created if it does not exist. Raises ModelError.

    The cache folder is $STREAMSEG_CACHE, or the usual place of the system.
    """
    path = root() / name
    require_unicode(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ModelError(
            f"the cache folder {path} cannot be made: {problem.strerror}",
            f"set {VARIABLE} to a folder you may write to",
        ) from problem
    return path


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """As `files.written`, for a file in the cache, which several processes may write. Raises ModelError."""
    with explained(path), files.written(path, shared=True) as temporary:
        yield temporary


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError while `path` is written into a ModelError with a hint."""
    try:
        yield
    except OSError as problem:
        raise ModelError(
            f"cannot write {path}: {problem.strerror or problem}",
            f"free some space or set {VARIABLE} to another folder",
        ) from problem


def checkpoint_header(path: Path) -> dict[str, Any]:
    """Return the header of a checkpoint, with its "sha256", from the cache if possible. Raises ModelError."""
    return checkpoint.cached_header(path, files.sha256_of(path), folder())
