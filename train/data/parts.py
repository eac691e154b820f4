"""Parts of recordings, recordings kept in memory, and whether two share frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.files import sha256_of
from streamseg.frame import Frame
from streamseg.sources import Recording
from train.data.fingerprint import fingerprint
from train.data.recordings import place_of


class Part(Recording):
    """The frames of `inner` with the numbers in `span`, counted from 0. Closing it leaves `inner` open."""

    def __init__(self, inner: Recording, span: Sequence[int]) -> None:
        self.inner, self.span = inner, span
        self.uri, self.kind, self.fps = inner.uri, inner.kind, inner.fps

    def __len__(self) -> int:
        return len(self.span)

    def __getitem__(self, index: int) -> Frame:
        return replace(self.inner[self.span[index]], index=index)

    def name_of(self, index: int) -> str:
        return self.inner.name_of(self.span[index])

    def file_of(self, index: int) -> Path | None:
        return self.inner.file_of(self.span[index])


class Kept(Recording):
    """A few frames that are in memory already, of the recording `uri`."""

    def __init__(self, uri: str, frames: Sequence[Frame]) -> None:
        self.uri, self.kind, self.frames = uri, "kept", tuple(frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Frame:
        return self.frames[index]

    def name_of(self, index: int) -> str:
        return self.frames[index].name


def refuse_overlap(data: Sequence[Recording], held: Sequence[Recording], flag: str) -> None:
    """Raise SourceError where a frame of `held` is trained on: the same file, or a copy of it elsewhere, or a copy of
    the recording. flag: that names `held`."""
    by_place: dict[str, list[Recording]] = {}
    by_names: dict[tuple[int, str, str], list[Recording]] = {}
    for one in data:
        by_place.setdefault(place_of(one.uri), []).append(one)
        by_names.setdefault(_ends(one), []).append(one)
    for one in held:
        names = {one.name_of(i) for i in range(len(one))}
        for other in by_place.get(place_of(one.uri), ()):
            shared = [name for i in range(len(other)) if (name := other.name_of(i)) in names]
            if shared:
                raise _overlap(flag, one, other, f"{len(shared)} frames, such as {shared[0]}")
        for other in by_names.get(_ends(one), ()):
            if fingerprint([one]) == fingerprint([other]):
                raise _overlap(flag, one, other, "all frames: one is a copy of the other")
    _refuse_copies(data, held, flag)


def _refuse_copies(data: Sequence[Recording], held: Sequence[Recording], flag: str) -> None:
    """By the content of files; only those are read of which one of the other side has the same size."""
    looked_at = _by_size(held)
    trained = _by_size(data) if looked_at else {}
    for size in looked_at.keys() & trained.keys():
        known = {sha256_of(path): other for other, path in trained[size]}
        for one, path in looked_at[size]:
            if other := known.get(sha256_of(path)):
                raise _overlap(flag, one, other, f"frames of it are copies, such as {path.name}")


def _by_size(recordings: Sequence[Recording]) -> dict[int, list[tuple[Recording, Path]]]:
    found: dict[int, list[tuple[Recording, Path]]] = {}
    for one in recordings:
        for path in filter(None, map(one.file_of, range(len(one)))):
            with suppress(OSError):  # a frame that is not there is trained on by nobody
                found.setdefault(path.stat().st_size, []).append((one, path))
    return found


def _overlap(flag: str, one: Recording, other: Recording, what: str) -> SourceError:
    return SourceError(
        f"{flag} {one.uri!r} overlaps --data {other.uri!r}: {what}", f"give {flag} recordings that are not trained on"
    )


def _ends(recording: Recording) -> tuple[int, str, str]:
    return len(recording), recording.name_of(0), recording.name_of(len(recording) - 1)
