"""Parts of recordings, and recordings in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from streamseg.frame import Frame
from streamseg.sources import Recording


class Part(Recording):
    """The frames of `inner` with the indices in `span`. Closing a part leaves `inner` open."""

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


def middle(recording: Recording, count: int) -> Part:
    """Return `count` successive frames from the middle of a recording, or all frames if it has fewer."""
    first = max(0, len(recording) // 2 - count // 2)
    return Part(recording, range(first, min(len(recording), first + count)))


class InMemoryRecording(Recording):
    """Frames that are in memory already. uri: name of the recording that they come from."""

    def __init__(self, uri: str, frames: Sequence[Frame]) -> None:
        self.uri, self.kind, self.frames = uri, "kept", tuple(frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Frame:
        return self.frames[index]

    def name_of(self, index: int) -> str:
        return self.frames[index].name
