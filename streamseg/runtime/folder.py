"""The output folder of a run: one run at a time, nothing that was there before is replaced, and what was written is
known by name, so that --overwrite takes away just that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamseg.errors import OutputError
from streamseg.files import locked, make_folders
from streamseg.text import from_json

MANIFEST = "run.json"
JOURNAL = ".streamseg.written"
"""Names of the files of a run that goes on or was killed, a line each; run.json has them when it ends."""


class OutputFolder:
    """Names go through `claim` before a file is made. written: relative names, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[str] = []
        self._journal = (path / JOURNAL).open("a", encoding="utf-8", errors="surrogateescape")

    def claim(self, name: str) -> Path:
        """The path of a new file `name`, "/" between folders; its folder is made. Raises OutputError where something
        that no run wrote has that name, or where a link leads elsewhere."""
        path = self.path / name
        for part in list(path.relative_to(self.path).parents)[:-1]:
            if (self.path / part).is_symlink():
                raise OutputError(f"{str(self.path / part)!r} is a link", "remove it, or choose another -o")
        if os.path.lexists(path):
            raise OutputError(
                f"{str(path)!r} exists already, and no run wrote it", "move it away, or choose another -o"
            )
        make_folders(self.path, name)
        self.written.append(name)
        self._journal.write(name + "\n")
        self._journal.flush()
        return path

    def close(self) -> None:
        """The journal goes; call it when run.json is final."""
        self._journal.close()
        with suppress(OSError):
            (self.path / JOURNAL).unlink()


@contextmanager
def open_folder(path: Path, overwrite: bool, source: str) -> Iterator[OutputFolder]:
    """Make `path` ready for a run, alone; `overwrite` removes what an earlier run wrote there.

    source: as the user gave it: a recording that lies inside `path`, or is it, is refused. Raises OutputError.
    """
    _refuse_source_inside(path, source)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with locked(path):
            if (path / MANIFEST).exists() or (path / JOURNAL).exists():
                if not overwrite:
                    raise OutputError(f"{str(path)!r} already holds a run", "choose another -o, or add --overwrite")
                _remove(path, _written_before(path))
            folder = OutputFolder(path)
            try:
                yield folder
            finally:
                folder.close()
    except PermissionError as problem:
        raise OutputError(f"cannot write into {str(path)!r}: {problem.strerror}", "choose another -o") from problem
    except (FileExistsError, NotADirectoryError) as problem:
        raise OutputError(f"{str(path)!r} is not a folder", "choose another -o") from problem


def _refuse_source_inside(path: Path, source: str) -> None:
    kind, _, rest = source.partition(":")
    for name in (source, rest if kind.isidentifier() else ""):
        if name and os.path.exists(name):
            inside, whole = Path(name).resolve(), path.resolve()
            if inside == whole or whole in inside.parents:
                raise OutputError(f"the source {name!r} lies in the output folder {str(path)!r}", "choose another -o")


def _written_before(path: Path) -> list[str]:
    """What earlier runs say they wrote here."""
    names: list[str] = []
    told = False  # a run that was killed before its first file has an empty journal, and run.json without a list
    with suppress(OSError):
        names += (path / JOURNAL).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        told = True
    try:
        content = from_json((path / MANIFEST).read_bytes())
        names += [name for name in content["written"] if isinstance(name, str)]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError):
        if not told:
            raise OutputError(
                f"{str(path / MANIFEST)!r} does not say what its run wrote",
                "remove that run yourself, or choose another -o",
            ) from None
    return names


def _remove(path: Path, names: Iterable[str]) -> None:
    """Remove the files, and the folders that are empty then; nothing outside `path`, no link is followed."""
    folders = set()
    for name in (*names, MANIFEST, JOURNAL):
        parts = Path(name).parts
        inside = not Path(name).is_absolute() and ".." not in parts
        if inside and not any((path / folder).is_symlink() for folder in list(Path(name).parents)[:-1]):
            with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                (path / name).unlink()
            folders |= {path / folder for folder in list(Path(name).parents)[:-1]}
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()
