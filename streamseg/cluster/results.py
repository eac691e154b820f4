"""The output folder of a batch. The folder of each recording appears as a whole, even if several drivers write here.

OUT/NAME/                     the results of a recording, as `streamseg run` writes them
OUT/index.jsonl, summary.json
OUT/.batch/work/NAME.HOST.PID results of a recording in progress; at the end the folder is renamed to OUT/NAME
OUT/.batch/failed/NAME.json   the entry of a recording that failed or was given up
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

from streamseg.cluster.task import host_name, same_recording, same_settings
from streamseg.errors import OutputError
from streamseg.files import MANIFEST, locked, process_exists, written
from streamseg.runtime.index import Entry
from streamseg.text import to_json
from streamseg.text.asking import requests_in

HIDDEN = ".batch"
FRESH = 60.0
"""Seconds within which a work folder of another machine counts as in use, because its lock may not exist yet."""


class Results:
    """The results in the folder `root`, which is made if it does not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work, self.failed = root / HIDDEN / "work", root / HIDDEN / "failed"
        try:
            for folder in (self.work, self.failed):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise OutputError(f"cannot write into {str(root)!r}: {problem.strerror}", "choose another -o") from problem

    def work_folder(self, name: str) -> Path:
        """Return a path, used by this process only, at which the results of `name` are written. What a failed attempt
        left there is removed."""
        path = self.work / f"{name}.{host_name()}.{os.getpid()}"
        shutil.rmtree(path, ignore_errors=True)
        return path

    def publish(self, made: Path, name: str, overwrite: bool) -> bool:
        """Rename the folder `made` to `name`. Return False if another process was faster; its results stay.

        overwrite: replace a folder of that name, if a run wrote all of its files. Raises OutputError, OSError.
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

    def find_done(self, name: str, source: str, settings: Mapping[str, Any]) -> Entry | None:
        """Return the entry of `name` if it is done with `settings`, see `output_settings`; None if it is not done.

        Raises OutputError if the folder holds something else.
        """
        target = self.root / name
        try:
            content = json.loads((target / MANIFEST).read_bytes())
            about = content.get("batch") or {}
            if content["status"] != "done":
                raise OutputError(f"{str(target)!r} holds an unfinished run", "finish or remove it, or add --overwrite")
            if about.get("source", source) != source:
                raise OutputError(f"{str(target)!r} holds another recording: {about['source']}", "choose another -o")
            if not same_recording(content, source):
                raise OutputError(f"{str(target)!r} is of an older {source}", "choose another -o, or --overwrite")
            if not same_settings(content, settings):
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
        """Write the entry of a recording without results, for other drivers and later runs."""
        with suppress(OSError), written(self.failed / f"{entry.name}.json", shared=True) as temporary:
            temporary.write_bytes(to_json(asdict(entry)))

    def forget_failure(self, name: str) -> None:
        """Remove the entry of a failure, because the recording is done now."""
        (self.failed / f"{name}.json").unlink(missing_ok=True)

    def failures(self) -> dict[str, Entry]:
        """Return the entries, by name, of all recordings that failed or were given up."""
        entries = {}
        for path in self.failed.glob("[!.]*.json"):
            with suppress(OSError, ValueError, TypeError):
                entries[path.stem] = Entry(**json.loads(path.read_bytes()))
        return entries

    def all_entries(self) -> list[Entry]:
        """Return the entries of all recordings that any driver finished here, sorted by name."""
        entries = self.failures()
        for path in self.root.glob(f"[!.]*/{MANIFEST}"):
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                content = json.loads(path.read_bytes())
                if "batch" in content:
                    name = path.parent.name
                    entries[name] = entry_of(name, content["batch"]["source"], content)
        return [entries[name] for name in sorted(entries)]

    def in_progress(self) -> set[str]:
        """Return the names of the recordings on which workers of any driver seem to work."""
        names = set()
        for path in self.work.iterdir():
            with suppress(OSError, ValueError):
                if _may_be_in_use(path):
                    names.add(path.name.rsplit(".", 2)[0])
        return names

    def remove_left_over(self) -> None:
        """Remove the work folders of workers that have died."""
        for path in self.work.iterdir():
            with suppress(OSError, OutputError):
                if path.is_dir() and not _may_be_in_use(path):
                    with locked(path):  # raises OutputError if a worker still has the lock
                        pass
                    shutil.rmtree(path, ignore_errors=True)


def entry_of(name: str, source: str, content: Mapping[str, Any]) -> Entry:
    """Return the entry of a recording whose run.json is `content`, with the status "done"."""
    about = content.get("batch") or {}
    facts = {key: about[key] for key in ("ids", "worker", "memory_mb", "attempts", "seconds") if key in about}
    facts["to_do"] = requests_in(content.get("notes", ()))
    return Entry(name, source, "done", frames=int(content["frames"]), fps=float(content["fps"]), **facts)


def _may_be_in_use(path: Path) -> bool:
    """Whether the worker of a work folder exists, or, on another machine, whether the folder is younger than FRESH."""
    _, host, number = path.name.removesuffix(".old").rsplit(".", 2)
    if host == host_name() and number.isdecimal():
        return process_exists(int(number))
    return time.time() - path.stat().st_mtime < FRESH


def _refuse_foreign(target: Path) -> None:
    """Raise OutputError if the folder contains a file that its run did not write."""
    try:
        own = {*json.loads((target / MANIFEST).read_bytes())["written"], MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        own = set()
    files = [str(Path(folder, name).relative_to(target)) for folder, _, names in os.walk(target) for name in names]
    foreign = sorted(file for file in files if file not in own)
    if foreign:
        raise OutputError(f"{str(target / foreign[0])!r} was not written by its run", "move it away, or remove it")
