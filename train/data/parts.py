"""Parts of recordings, recordings kept in memory, and whether two share frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.sources import Recording, split_kind, split_part
from train.data.fingerprint import fingerprint


class Part(Recording):
    """The frames of `inner` with the numbers in `span`, counted from 0. Closing it leaves `inner` open."""

    def __init__(self, inner: Recording, span: range) -> None:
        self.inner, self.span = inner, span
        self.uri, self.kind, self.fps = inner.uri, inner.kind, inner.fps

    def __len__(self) -> int:
        return len(self.span)

    def __getitem__(self, index: int) -> Frame:
        return replace(self.inner[self.span[index]], index=index)

    def name_of(self, index: int) -> str:
        return self.inner.name_of(self.span[index])


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


def refuse_overlap(data: Sequence[Recording], val: Sequence[Recording]) -> None:
    """Raise SourceError where a frame of `val` is trained on: the same file, or a copy of the recording elsewhere."""
    by_place: dict[str, list[Recording]] = {}
    by_names: dict[tuple[int, str, str], list[Recording]] = {}
    for one in data:
        by_place.setdefault(_place(one), []).append(one)
        by_names.setdefault(_ends(one), []).append(one)
    for one in val:
        names = {one.name_of(i) for i in range(len(one))}
        for other in by_place.get(_place(one), ()):
            shared = [name for i in range(len(other)) if (name := other.name_of(i)) in names]
            if shared:
                raise _overlap(one, other, f"{len(shared)} frames, such as {shared[0]}")
        for other in by_names.get(_ends(one), ()):
            if fingerprint([one]) == fingerprint([other]):
                raise _overlap(one, other, "all frames: one is a copy of the other")


def _overlap(one: Recording, other: Recording, what: str) -> SourceError:
    return SourceError(
        f"--val {one.uri!r} overlaps --data {other.uri!r}: {what}", "give --val recordings that are not trained on"
    )


def _place(recording: Recording) -> str:
    return os.path.realpath(os.path.expanduser(split_part(split_kind(recording.uri)[1])[0]))


def _ends(recording: Recording) -> tuple[int, str, str]:
    return len(recording), recording.name_of(0), recording.name_of(len(recording) - 1)
