"""The output folder of a run: one run at a time uses it, and no run replaces a file that no run wrote.

The folder records the name of each file of a run, so that --overwrite removes these files and no others.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamseg.errors import OutputError
from streamseg.files import MANIFEST, locked, make_folders
from streamseg.text import from_json

JOURNAL = ".streamseg.written"
"""Lists the files of a run that is going on or was killed, one name a line. When a run ends, run.json lists them."""


class OutputFolder:
    """Records each file of a run before it is created: call `claim` first. written: relative names, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[str] = []
        self._journal = (path / JOURNAL).open("a", encoding="utf-8", errors="surrogateescape")

    def claim(self, name: str) -> Path:
        """Return the path of a new file and create its folder. name: relative, "/" between folders.

        Raises OutputError if the file exists already, or if one of its folders is a symbolic link.
        """
        path = self.path / name
        for folder in _folders_of(Path(name)):
            if (self.path / folder).is_symlink():
                raise OutputError(f"{str(self.path / folder)!r} is a link", "remove it, or choose another -o")
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
        """Delete the journal. Call this when run.json is complete."""
        self._journal.close()
        with suppress(OSError):
            (self.path / JOURNAL).unlink()


@contextmanager
def open_folder(path: Path, overwrite: bool, source: str) -> Iterator[OutputFolder]:
    """Create `path` if needed and lock it for one run.

    overwrite: remove the files that an earlier run wrote there. source: the address of the recording, as the user gave
    it. Raises OutputError if the source lies in `path`, if `path` holds a run and `overwrite` is False, or if `path`
    cannot be written.
    """
    _refuse_source_inside(path, source)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with locked(path):
            if (path / MANIFEST).exists() or (path / JOURNAL).exists():
                if not overwrite:
                    held = f"{str(path)!r} already holds a run{_of_source(path)}"
                    raise OutputError(held, "choose another -o, or add --overwrite")
                _remove(path, _files_of_earlier_runs(path))
            folder = OutputFolder(path)
            try:
                yield folder
            finally:
                folder.close()
    except (FileExistsError, NotADirectoryError) as problem:
        raise OutputError(f"{str(path)!r} is not a folder", "choose another -o") from problem
    except OSError as problem:
        if problem.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise OutputError(f"cannot write into {str(path)!r}: {problem.strerror}", "choose another -o") from problem


def _refuse_source_inside(path: Path, source: str) -> None:
    kind, _, rest = source.partition(":")
    for name in map(os.path.expanduser, (source, rest if kind.isidentifier() else "")):
        if name and os.path.exists(name):
            recording, output = Path(name).resolve(), path.resolve()
            if recording == output or output in recording.parents:
                raise OutputError(f"the source {name!r} lies in the output folder {str(path)!r}", "choose another -o")


def _of_source(path: Path) -> str:
    """Return " of SOURCE" for the run in `path`; "" if its run.json is missing or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return f" of {from_json((path / MANIFEST).read_bytes())['source']['uri']!r}"
    return ""


def _files_of_earlier_runs(path: Path) -> list[str]:
    """Return the relative names that the journal and run.json in `path` list. Raises OutputError if neither does."""
    names: list[str] = []
    has_journal = False  # a run that was killed early has an empty journal, and its run.json has no list
    with suppress(OSError):
        names += (path / JOURNAL).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        has_journal = True
    try:
        content = from_json((path / MANIFEST).read_bytes())
        names += [name for name in content["written"] if isinstance(name, str)]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError):
        if not has_journal:
            raise OutputError(
                f"{str(path / MANIFEST)!r} does not say what its run wrote",
                "remove that run yourself, or choose another -o",
            ) from None
    return names


def _remove(path: Path, names: Iterable[str]) -> None:
    """Remove these files, then their folders if these are empty. Names that lead out of `path`, also through a
    symbolic link, are ignored."""
    folders = set()
    for name in map(Path, (*names, MANIFEST, JOURNAL)):
        parents = [path / folder for folder in _folders_of(name)]
        inside = not name.is_absolute() and ".." not in name.parts
        if inside and not any(folder.is_symlink() for folder in parents):
            with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                (path / name).unlink()
            folders.update(parents)
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _folders_of(name: Path) -> list[Path]:
    """Return the relative folders that contain a file, the innermost first: "a/b/c.png" gives "a/b" and "a"."""
    return list(name.parents)[:-1]
