"""Sources: where frames come from. One file a source; `open_source(uri)` finds the right one by content.

A source module (its name is its kind, its docstring's first line its description) offers

    PRIORITY: int                             asked in rising order; specific layouts before general ones
    recognizes(uri: str) -> bool              by content, cheaply, without raising
    open(uri: str, options: Options) -> Recording | LiveSource        raises SourceError
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from streamseg import plugins
from streamseg.errors import SourceError
from streamseg.frame import Frame, Intrinsics


@dataclass(frozen=True)
class Options:
    """What a user may override. depth_scale: units of the depth files per metre; intrinsics: of the colour camera."""

    intrinsics: Intrinsics | None = None
    depth_scale: float | None = None


@dataclass(frozen=True)
class Skip:
    """A frame that could not be used: its name and the reason (short, countable)."""

    name: str
    reason: str


class Source(ABC):
    """What recordings and live sources share.

    uri: as given by the user. kind: the module's name. fps: nominal frames per second, for the output video.
    """

    uri: str
    kind: str
    fps: float = 30.0

    def close(self) -> None:  # noqa: B027 (most sources hold nothing open)
        """Release what is open; may be called twice."""

    def __enter__(self):
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Recording(Source):
    """A source that can be rewound: random access, picklable by its arguments, so that workers can open it themselves.

    skipped: frames known to be unusable before any is decoded (listed but absent ...), for the manifest.
    `self[i]` raises FrameError when frame i is broken (skip it, count it), IndexError outside 0 ... len - 1.
    """

    skipped: tuple[Skip, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Frame: ...

    @abstractmethod
    def name_of(self, index: int) -> str:
        """The name frame `index` has or would have, without decoding it."""


class LiveSource(Source):
    """A source that only moves on. Iterating yields frames until it ends; `close()` from any thread ends it."""

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...


def kinds() -> dict[str, str]:
    """Every source kind with its one-line description."""
    return plugins.describe(__file__)


def split_kind(uri: str) -> tuple[str | None, str]:
    """Split "kind:path" into its parts when `kind` is a known source; ("rtsp://..." and "C:\\..." have none)."""
    kind, colon, rest = uri.partition(":")
    return (kind, rest) if colon and kind in kinds() and not rest.startswith("//") else (None, uri)


def open_source(uri: str, options: Options | None = None) -> Recording | LiveSource:
    """Open a recording or a live stream.

    uri: a path (recognized by its content), "kind:path" to force a kind, a camera number, or an rtsp:// address.
    Raises SourceError when nothing recognizes it or it holds no usable frame.
    """
    options = options or Options()
    kind, rest = split_kind(uri)
    if kind is not None:
        return plugins.load(__name__, kind).open(rest, options)
    modules = sorted((plugins.load(__name__, name) for name in kinds()), key=lambda module: module.PRIORITY)
    for module in modules:
        if module.recognizes(uri):
            return module.open(uri, options)
    raise SourceError(*_explain(uri))


def _explain(uri: str) -> tuple[str, str]:
    """Why nothing recognized `uri`, and what to type."""
    from pathlib import Path

    path = Path(uri)
    if not path.exists():
        return f"there is no {uri!r}", "give a folder, a video file, a camera number or an rtsp:// address"
    if path.is_dir() and not any(path.iterdir()):
        return f"the folder {uri!r} is empty", "give a folder that holds images or a recording"
    forms = ", ".join(kinds())
    return f"{uri!r} is no source that streamseg recognizes", f"force a kind with kind:path, one of: {forms}"
