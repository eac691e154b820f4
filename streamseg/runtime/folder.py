"""The output folder of a run: one run at a time uses it, and no run replaces a file that no run wrote.

The folder records the name of each file of a run, so that --overwrite removes these files and no others.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from streamseg.errors import OutputError
from streamseg.files import MANIFEST, locked, make_folders
from streamseg.text import from_json

JOURNAL = ".streamseg.written"
"""Lists the files of a run that is going on or was killed, one name a line. When a run ends, run.json lists them."""


class OutputFolder:
    """The folder of one run. First call `begin`; then record each file before it is created: call `claim`.

    written: relative names, in order. earlier: relative names of the files that `begin` removes.
    """

    def __init__(self, path: Path, earlier: list[str]) -> None:
        self.path, self._earlier = path, earlier
        self.written: list[str] = []
        self._journal: TextIO | None = None

    def begin(self) -> None:
        """Remove the files of an earlier run, and begin the record of the new ones. Raises OutputError."""
        with _os_errors_explained(self.path):
            _remove(self.path, self._earlier)
            self._journal = (self.path / JOURNAL).open("a", encoding="utf-8", errors="surrogateescape")

    def claim(self, name: str) -> Path:
        """Return the path of a new file and create its folder. name: relative, "/" between folders.

        Raises OutputError if the file exists already, or if one of its folders is a symbolic link.
        """
        assert self._journal is not None  # `begin` was called
        path = self.path / name
        for folder in _folders_of(Path(name)):
            _refuse_link(self.path / folder)
        if os.path.lexists(path):
            raise _not_of_a_run(path)
        with _os_errors_explained(self.path):
            make_folders(self.path, name)
        self.written.append(name)
        self._journal.write(name + "\n")
        self._journal.flush()
        return path

    def close(self) -> None:
        """Delete the journal. Call this when run.json is complete."""
        if self._journal is not None:
            self._journal.close()
            with suppress(OSError):
                (self.path / JOURNAL).unlink()


@contextmanager
def open_folder(path: Path, overwrite: bool, source: str, outputs: Iterable[str] = ()) -> Iterator[OutputFolder]:
    """Create `path` if needed and lock it for one run. What is in it stays until `OutputFolder.begin`, so that a run
    can do this before it opens its recording and network. At the end, folders made here are removed if they are empty.

    overwrite: an earlier run may be replaced. source: the address of the recording, as the user gave it. outputs: the
    files and folders in `path` that the run will write. Raises OutputError if the source lies in `path`, if another run
    uses `path`, if `path` holds a run and `overwrite` is False, if `path` cannot be written, or if an output exists
    that no run wrote.
    """
    _refuse_source_inside(path, source)
    check_writable(path)
    with ExitStack() as stack:
        with _os_errors_explained(path):
            made = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            stack.callback(_remove_empty, made)
            stack.enter_context(locked(path))
            earlier = _earlier_files(path, overwrite)
        for output in (path / name for name in outputs if name):
            if output.is_dir():
                _refuse_link(output)
            elif os.path.lexists(output) and output.name not in earlier:
                raise _not_of_a_run(output)
        folder = OutputFolder(path, earlier)
        stack.callback(folder.close)
        yield folder


def check_writable(path: Path) -> None:
    """Raise OutputError unless `path` is a folder that can be written into, or can be made."""
    with _os_errors_explained(path):
        existing = next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder))
        if not existing.is_dir():
            raise NotADirectoryError
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def _os_errors_explained(path: Path) -> Iterator[None]:
    """Turn errors of a folder that cannot be made or written into OutputErrors."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as problem:
        raise OutputError(f"{str(path)!r} is not a folder", "choose another -o") from problem
    except OSError as problem:
        if problem.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise OutputError(f"cannot write into {str(path)!r}: {problem.strerror}", "choose another -o") from problem


def _refuse_link(folder: Path) -> None:
    if folder.is_symlink():
        raise OutputError(f"{str(folder)!r} is a link", "remove it, or choose another -o")


def _not_of_a_run(path: Path) -> OutputError:
    return OutputError(f"{str(path)!r} exists already, and no run wrote it", "move it away, or choose another -o")


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


def _earlier_files(path: Path, overwrite: bool) -> list[str]:
    """Return the relative names of the files of the run in `path`, which is to be replaced; [] if there is no run.

    Raises OutputError if there is one and not `overwrite`.
    """
    if not (path / MANIFEST).exists() and not (path / JOURNAL).exists():
        return []
    if not overwrite:
        held = f"{str(path)!r} already holds a run{_of_source(path)}"
        raise OutputError(held, "choose another -o, or add --overwrite")
    return [*_files_of_earlier_runs(path), MANIFEST, JOURNAL]


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
    for name in map(Path, names):
        parents = [path / folder for folder in _folders_of(name)]
        inside = not name.is_absolute() and ".." not in name.parts
        if inside and not any(folder.is_symlink() for folder in parents):
            with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                (path / name).unlink()
            folders.update(parents)
    _remove_empty(sorted(folders, key=lambda folder: len(folder.parts), reverse=True))


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove these folders, in order, if they are empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _folders_of(name: Path) -> list[Path]:
    """Return the relative folders that contain a file, the innermost first: "a/b/c.png" gives "a/b" and "a"."""
    return list(name.parents)[:-1]
