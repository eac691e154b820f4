"""The output folder of a batch: each recording's folder is there whole or not at all, whoever else writes here.

OUT/NAME/                     the results of a recording, as `streamseg run` writes them
OUT/index.jsonl, summary.json
OUT/.batch/work/NAME.HOST.PID results under construction; they get their name in one rename at the end
OUT/.batch/failed/NAME.json   what failed, and what was put aside
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamseg.cluster.task import here, same_settings
from streamseg.errors import OutputError
from streamseg.files import locked, process_exists, written
from streamseg.runtime.folder import MANIFEST
from streamseg.runtime.index import Entry
from streamseg.text import to_json

HIDDEN = ".batch"
FRESH = 60.0
"""Seconds within which a folder under construction that nobody has locked may still be about to be."""


class Results:
    """The folder `root`, which is made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work, self.failed = root / HIDDEN / "work", root / HIDDEN / "failed"
        try:
            for folder in (self.work, self.failed):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise OutputError(f"cannot write into {str(root)!r}: {problem.strerror}", "choose another -o") from problem

    def construction(self, name: str) -> Path:
        """An empty folder's path for the results of `name`, this process's own; what a failed attempt left is gone."""
        path = self.work / f"{name}.{here()}.{os.getpid()}"
        shutil.rmtree(path, ignore_errors=True)
        return path

    def publish(self, made: Path, name: str, overwrite: bool) -> bool:
        """Give the folder `made` the name `name`, at once. False where another process was quicker; its results stay.

        overwrite: what has that name goes, if a run wrote all of it. Raises OutputError, OSError.
        """
        target = self.root / name
        old = made.with_name(made.name + ".old")
        if overwrite and target.is_dir():
            _refuse_foreign(target)
            shutil.rmtree(old, ignore_errors=True)
            with suppress(FileNotFoundError):
                target.rename(old)
        try:
            made.rename(target)
            return True
        except OSError as problem:
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                if old.exists():
                    old.rename(target)
                raise
            return False
        finally:
            shutil.rmtree(old, ignore_errors=True)

    def found(self, name: str, source: str, wanted: Mapping[str, Any]) -> Entry | None:
        """The entry of `name` where it is done with the settings `wanted`, see `made_with`; None where it is not there.

        Raises OutputError where the folder holds something else.
        """
        target = self.root / name
        try:
            content = json.loads((target / MANIFEST).read_bytes())
            about = content.get("batch") or {}
            if content["status"] != "done":
                raise OutputError(f"{str(target)!r} holds an unfinished run", "finish or remove it, or add --overwrite")
            if about.get("source", source) != source:
                raise OutputError(f"{str(target)!r} holds another recording: {about['source']}", "choose another -o")
            if not same_settings(content, wanted):
                raise OutputError(f"{str(target)!r} was made with other settings", "choose another -o, or --overwrite")
            return entry_of(name, source, content)
        except (FileNotFoundError, NotADirectoryError):
            if target.is_dir() and not any(target.iterdir()):
                return None
            if os.path.lexists(target):
                raise OutputError(f"{str(target)!r} exists already, and no run wrote it", "move it away") from None
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise OutputError(f"{str(target / MANIFEST)!r} cannot be read: {problem}", "remove that run") from None

    def note_failure(self, entry: Entry) -> None:
        """Keep what became of a recording that has no results, for other drivers and later ones."""
        with suppress(OSError), written(self.failed / f"{entry.name}.json", shared=True) as temporary:
            temporary.write_bytes(to_json(asdict(entry)))

    def forget_failure(self, name: str) -> None:
        """It is done after all, or will be tried again."""
        (self.failed / f"{name}.json").unlink(missing_ok=True)

    def failures(self) -> dict[str, Entry]:
        """By name, what failed or was put aside so far."""
        found = {}
        for path in self.failed.glob("[!.]*.json"):
            with suppress(OSError, ValueError, TypeError):
                found[path.stem] = Entry(**json.loads(path.read_bytes()))
        return found

    def everything(self) -> list[Entry]:
        """All that any driver did here, by name."""
        failures = self.failures()
        for path in self.root.glob(f"[!.]*/{MANIFEST}"):
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                content = json.loads(path.read_bytes())
                if "batch" in content:
                    name = path.parent.name
                    failures[name] = entry_of(name, content["batch"]["source"], content)
        return [failures[name] for name in sorted(failures)]

    def under_way(self) -> set[str]:
        """The recordings that some worker is at, of whichever driver, as far as can be told."""
        found = set()
        for path in self.work.iterdir():
            with suppress(OSError, ValueError):
                if _may_be_alive(path):
                    found.add(path.name.rsplit(".", 2)[0])
        return found

    def tidy(self) -> None:
        """Remove what workers left that are dead."""
        for path in self.work.iterdir():
            with suppress(OSError, OutputError):
                if path.is_dir() and not _may_be_alive(path):
                    with locked(path):
                        pass
                    shutil.rmtree(path, ignore_errors=True)


def entry_of(name: str, source: str, content: Mapping[str, Any]) -> Entry:
    """The index's line about a run.json that says "done"."""
    about = content.get("batch") or {}
    facts = {key: about[key] for key in ("ids", "worker", "memory_mb", "attempts", "seconds") if key in about}
    return Entry(name, source, "done", frames=int(content["frames"]), fps=float(content["fps"]), **facts)


def _may_be_alive(path: Path) -> bool:
    """Whether a worker of this machine has that number, or the folder is so young that its lock may be on its way."""
    _, host, number = path.name.removesuffix(".old").rsplit(".", 2)
    if host == here() and number.isdecimal():
        return process_exists(int(number))
    return time.time() - path.stat().st_mtime < FRESH


def _refuse_foreign(target: Path) -> None:
    """Raise OutputError where the folder holds what its run did not write."""
    try:
        names = {*json.loads((target / MANIFEST).read_bytes())["written"], MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        names = set()
    files = [str(Path(folder, file).relative_to(target)) for folder, _, some in os.walk(target) for file in some]
    foreign = sorted(file for file in files if file not in names)
    if foreign:
        raise OutputError(f"{str(target / foreign[0])!r} was not written by its run", "move it away, or remove it")
