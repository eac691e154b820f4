"""Read the output folder of a run: its manifest, its frames in order, and their masks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamseg.errors import FrameError, OutputError, SourceError
from streamseg.files import MANIFEST, UniqueNames
from streamseg.sources import Recording, read_mask
from streamseg.sources.reading.files import images_in
from streamseg.text import without_secrets

LINES, ARCHIVE, OVERLAY = "segments.jsonl", "labels.npz", "overlay.mp4"
FOLDERS = {"regions": "labels", "objects": "objects", "panoptic": "panoptic"}
"""The folder of indexed PNGs for each kind of masks."""
MAX_BYTES = 2 << 30
"""The most bytes of masks that are decompressed from an archive."""


class FrameEntry(NamedTuple):
    """A frame of a run. time: seconds. number: its index in the source. line: of segments.jsonl. None = not known from
    the folder."""

    name: str
    time: float | None = None
    number: int | None = None
    line: dict[str, Any] | None = None

    @property
    def scores(self) -> dict[str, dict[int, float]]:
        """{kind of masks: {id: score}}, without ids that have no score."""
        if self.line is None:
            return {}
        segments = [segment for segment in self.line["segments"] if segment.get("score") is not None]
        return {str(self.line.get("masks")): {segment["id"]: segment["score"] for segment in segments}}


class Output:
    """The output folder of a run.

    manifest: content of run.json. uri, kind: of the source. every, max_frames: which frames of it were used. masks:
    the kind of masks of sinks that can use any. Raises OutputError if `path` holds no run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.manifest: dict[str, Any] = json.loads((path / MANIFEST).read_bytes())
            self.settings: dict[str, Any] = self.manifest["settings"]
            self.uri = str(self.settings["source"])
            self.kind = str(self.manifest["source"]["kind"])
            run = self.settings["run"]
            self.every, self.max_frames = int(run.get("every") or 1), run.get("max_frames")
            self.masks = str(self.manifest.get("masks") or run.get("masks") or "regions")
        except OSError as problem:
            raise OutputError(f"{str(path / MANIFEST)!r} cannot be read: {problem.strerror}", "give a run") from problem
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise OutputError(
                f"{str(path / MANIFEST)!r} does not describe a run", "give the output folder of a streamseg run"
            ) from None

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of masks that can be read, that of `masks` first."""
        kinds = [kind for kind, folder in FOLDERS.items() if images_in(self.path / folder)]
        if (self.path / ARCHIVE).is_file() and self.masks not in kinds:
            kinds.append(self.masks)
        return tuple(sorted(kinds, key=lambda kind: kind != self.masks))

    def entries(self, source: Recording | None) -> list[FrameEntry]:
        """Return the frames of the run, in order. source: the recording of the run, None = not available. Raises
        SourceError if it is another recording."""
        entries = list(self._from_lines()) or self._from_archive()
        if entries:
            return _with_numbers(entries, source)
        if source is not None and self.kinds and (entries := list(self._from_source(source))):
            return entries
        folder = next((FOLDERS[kind] for kind in self.kinds if kind in FOLDERS), "")
        names = [path.stem for path in images_in(self.path / folder)] if folder else []
        if names and source is not None:
            raise SourceError(
                f"no frame of {without_secrets(source.uri)!r} is called like a mask in {str(self.path)!r}",
                "give the recording of that run: --source PATH",
            )
        return list(map(_from_name, names))

    def reader(self, kind: str, entries: Iterable[FrameEntry]) -> list[Callable[[], np.ndarray]]:
        """Return for each frame a function that reads its (H, W) uint8 ids, or raises FrameError."""
        if kind in FOLDERS and images_in(self.path / FOLDERS[kind]):
            names = UniqueNames()  # the same names as the sink used
            return [partial(read_mask, self.path / FOLDERS[kind] / f"{names(entry.name)}.png") for entry in entries]
        return [partial(self._read_archive, place) for place, _ in enumerate(entries)]

    def _from_lines(self) -> Iterable[FrameEntry]:
        """Yield the frames of segments.jsonl; none if there is no such file."""
        try:
            with (self.path / LINES).open("rb") as file:
                for text in file:
                    line = json.loads(text)
                    yield FrameEntry(str(line["name"]), float(line["timestamp"]), int(line["index"]), line)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            raise OutputError(
                f"{str(self.path / LINES)!r} is damaged", "run again with --save jsonl, or remove the file"
            ) from None

    def _from_archive(self) -> list[FrameEntry]:
        """Return the frames of labels.npz; [] if there is no such file."""
        if not (self.path / ARCHIVE).is_file():
            return []
        names, times = (self._archive[name].tolist() for name in ("names", "timestamps"))
        return [FrameEntry(str(name), float(time)) for name, time in zip(names, times, strict=True)]

    def _from_source(self, source: Recording) -> Iterable[FrameEntry]:
        """Yield the frames of the source that have a mask: the run may have skipped frames, or have ended early."""
        names = UniqueNames()
        folder = self.path / next(FOLDERS[kind] for kind in self.kinds if kind in FOLDERS)
        files = set(os.listdir(folder))
        for index in source.coming(self.every, self.max_frames):
            name = source.name_of(index)
            if f"{names(name)}.png" in files:
                yield FrameEntry(name, _from_name(name).time, index)

    @cached_property
    def _archive(self) -> Any:
        try:
            return np.load(self.path / ARCHIVE, allow_pickle=False)
        except (OSError, ValueError) as problem:
            raise OutputError(f"{str(self.path / ARCHIVE)!r} cannot be read: {problem}", "run again") from None

    @cached_property
    def _archived_labels(self) -> np.ndarray:
        sizes = self._archive["sizes"]
        if len(sizes) * int(sizes.max(axis=0).prod()) > MAX_BYTES:
            raise FrameError("the masks of labels.npz are too large to be shown; save labels or objects, too")
        labels: np.ndarray = self._archive["labels"]
        return labels

    def _read_archive(self, place: int) -> np.ndarray:
        height, width = self._archive["sizes"][place]
        mask: np.ndarray = self._archived_labels[place, :height, :width]
        return np.ascontiguousarray(mask)


def _from_name(name: str) -> FrameEntry:
    """Return a frame of which only the name is known. The names of TUM are time stamps."""
    return FrameEntry(name, float(name) if re.fullmatch(r"\d{4,}\.\d+", name) else None)


def _with_numbers(entries: list[FrameEntry], source: Recording | None) -> list[FrameEntry]:
    """Find the indices of the frames in the source by their names, if they are not known."""
    if source is None or all(entry.number is not None for entry in entries):
        return entries
    indices = {source.name_of(index): index for index in range(len(source))}
    return [entry._replace(number=indices.get(entry.name)) for entry in entries]
