"""The output folder of a run, read again: its manifest, its frames in order, and their masks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamseg.errors import FrameError, OutputError
from streamseg.files import UniqueNames
from streamseg.sources import Recording, read_mask
from streamseg.sources.reading.files import images_in

MANIFEST, LINES, ARCHIVE, OVERLAY = "run.json", "segments.jsonl", "labels.npz", "overlay.mp4"
FOLDERS = {"regions": "labels", "objects": "objects", "panoptic": "panoptic"}
"""Folders of PNGs, by the kind of mask that is in them."""
LARGEST = 2 << 30
"""Bytes of masks that are unpacked from an archive, at most."""


class Stamp(NamedTuple):
    """A frame of a run. time: seconds, number: in its source; None where the folder does not say. line: of
    segments.jsonl."""

    name: str
    time: float | None = None
    number: int | None = None
    line: dict[str, Any] | None = None

    @property
    def scores(self) -> dict[str, dict[int, float]]:
        """Of the ids that have one, by kind."""
        if self.line is None:
            return {}
        known = {one["id"]: one["score"] for one in self.line["segments"] if one.get("score") is not None}
        return {str(self.line.get("masks")): known}


class Output:
    """manifest: the run.json. kinds: masks that can be read."""

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
        """What the run's sinks took comes first."""
        found = [kind for kind, folder in FOLDERS.items() if images_in(self.path / folder)]
        if (self.path / ARCHIVE).is_file() and self.masks not in found:
            found.append(self.masks)
        return tuple(sorted(found, key=lambda kind: kind != self.masks))

    def stamps(self, source: Recording | None) -> list[Stamp]:
        """The frames of the run, in order. source: what it ran on, where that is still there."""
        found = list(self._lines()) or self._archived()
        if found:
            return _indexed(found, source)
        if source is not None and self.kinds:
            return list(self._written(source))
        folder = next((FOLDERS[kind] for kind in self.kinds if kind in FOLDERS), "")
        return [_named(path.stem) for path in images_in(self.path / folder)] if folder else []

    def reader(self, kind: str, stamps: Iterable[Stamp]) -> list[Callable[[], np.ndarray]]:
        """For each frame how to read its (H, W) uint8 ids; it may raise FrameError."""
        if kind in FOLDERS and images_in(self.path / FOLDERS[kind]):
            names = UniqueNames()  # as the sink gave them
            return [partial(read_mask, self.path / FOLDERS[kind] / f"{names(one.name)}.png") for one in stamps]
        return [partial(self._unpacked, place) for place, _ in enumerate(stamps)]

    def _lines(self) -> Iterable[Stamp]:
        try:
            with (self.path / LINES).open("rb") as file:
                for text in file:
                    line = json.loads(text)
                    yield Stamp(str(line["name"]), float(line["timestamp"]), int(line["index"]), line)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            raise OutputError(
                f"{str(self.path / LINES)!r} is damaged", "run again with --save jsonl, or remove the file"
            ) from None

    def _archived(self) -> list[Stamp]:
        if not (self.path / ARCHIVE).is_file():
            return []
        names, times = (self._archive[name].tolist() for name in ("names", "timestamps"))
        return [Stamp(str(name), float(time)) for name, time in zip(names, times, strict=True)]

    def _written(self, source: Recording) -> Iterable[Stamp]:
        """Those frames of the source that have a mask: the run may have skipped some, or have ended before."""
        names = UniqueNames()
        folder = self.path / next(FOLDERS[kind] for kind in self.kinds if kind in FOLDERS)
        there = set(os.listdir(folder))
        for index in source.coming(self.every, self.max_frames):
            name = source.name_of(index)
            if f"{names(name)}.png" in there:
                yield Stamp(name, _named(name).time, index)

    @cached_property
    def _archive(self) -> Any:
        try:
            return np.load(self.path / ARCHIVE, allow_pickle=False)
        except (OSError, ValueError) as problem:
            raise OutputError(f"{str(self.path / ARCHIVE)!r} cannot be read: {problem}", "run again") from None

    @cached_property
    def _all(self) -> np.ndarray:
        sizes = self._archive["sizes"]
        if len(sizes) * int(sizes.max(axis=0).prod()) > LARGEST:
            raise FrameError("the masks of labels.npz are too large to be shown; save labels or objects, too")
        found: np.ndarray = self._archive["labels"]
        return found

    def _unpacked(self, place: int) -> np.ndarray:
        height, width = self._archive["sizes"][place]
        mask: np.ndarray = self._all[place, :height, :width]
        return np.ascontiguousarray(mask)


def _named(name: str) -> Stamp:
    """A frame of which nothing but its name is known; names of TUM are time stamps."""
    return Stamp(name, float(name) if re.fullmatch(r"\d{4,}\.\d+", name) else None)


def _indexed(stamps: list[Stamp], source: Recording | None) -> list[Stamp]:
    """With their places in the source, by name, where they are not known."""
    if source is None or all(one.number is not None for one in stamps):
        return stamps
    places = {source.name_of(index): index for index in range(len(source))}
    return [one._replace(number=places.get(one.name)) for one in stamps]
