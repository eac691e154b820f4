"""Sources of frames. Each kind is a module; `open_source(uri)` finds the right one by content.

The name of a module is the kind, and the first line of its docstring describes it. A module defines

    PRIORITY: int                             modules are tried in rising order; special layouts before general ones
    recognizes(uri: str) -> bool              judges the content of `uri`, cheaply, and never raises
    open(uri: str, options: Options) -> Recording | LiveSource        raises SourceError

and, if a path may hold several recordings, such as the root of a data set or a folder of videos,

    expand(uri: str) -> list[str]             returns the uri of each recording for `open`, without opening any
    EXPANDS_TO_OTHER_KINDS = True             if these uris are of other kinds, and for `open_source`

and, if `open` returns a LiveSource,

    LIVE = True                               read without an import, so that no camera starts
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Self

import numpy as np

from streamseg import plugins
from streamseg.config import SourceConfig as Options
from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.sources.unrecognized import entries_of, explain
from streamseg.urls import address


@dataclass(frozen=True)
class Skip:
    """A frame that is not used: its name, and the reason, which is short, so that equal ones can be counted."""

    name: str
    reason: str


class DepthScale(NamedTuple):
    """How many stored units of depth are one metre.

    origin: where the scale comes from, for users. guessed: whether neither the user, nor a file, a format or the name
    of a data set gives the scale.
    """

    units_per_metre: float
    origin: str
    guessed: bool = False

    @classmethod
    def choose(cls, options: Options, units: float, origin: str) -> DepthScale:
        """Return the scale that the user gives in `options`; without one, `units` from `origin`."""
        return cls(options.depth_scale, "--depth-scale") if options.depth_scale else cls(units, origin)


class Source(ABC):
    """Base class of recordings and live sources.

    uri: as the user gave it.
    kind: the name of the module.
    fps: nominal frames per second, for the output video.
    pixel_aspect: the width of a pixel divided by its height; frames are not stretched by it.
    skipped: for run.json. Of a recording: frames that are known to be unusable before any frame is decoded, such as
        missing files. Of a live source: interruptions, added while it runs.
    notes: sentences for the user, known when the source is open: what is assumed, what is unknown and how to give it,
        what is left out. `text.asking` marks notes that ask for an action.
    depth_scale: stored units of depth per metre; None without depth, or if the depth is not metric.
    depth_scale_origin: where the scale comes from ("--depth-scale", the name of a file, "assumed"); "" without a scale.
    """

    uri: str
    kind: str
    fps: float = 30.0
    pixel_aspect: Fraction = Fraction(1)
    skipped: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    depth_scale: float | None = None
    depth_scale_origin: str = ""

    def close(self) -> None:  # noqa: B027 (most sources keep nothing open)
        """Release all resources. May be called several times."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Recording(Source):
    """A source with random access. It is picklable: worker processes open the files themselves.

    `self[i]` raises FrameError if frame i is broken, and IndexError unless 0 <= i < len(self).
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Frame: ...

    @abstractmethod
    def name_of(self, index: int) -> str:
        """Return the name of frame `index` without decoding it."""

    def file_of(self, index: int) -> Path | None:
        """Return the image file of frame `index`; None if the frame is not a file of its own. Raises IndexError."""
        return None

    def reduced(self, index: int, least: int) -> np.ndarray:
        """Return frame `index` as (H, W, 3) uint8 RGB, at a smaller size if its file can be decoded faster that way.

        least: pixels that the shorter side has at least, unless the frame is smaller. Raises the same errors as
        `self[index]`.
        """
        return self[index].rgb

    def measured_depth(self, index: int) -> np.ndarray | None:
        """Return the depth of frame `index` as the depth camera sees it: (h, w) float32 metres, 0 = no reading; None
        without metric depth. Sources that register depth to the colour override this, because registration drops the
        readings that a wrong depth scale moves next to the camera. Raises the same errors as `self[index]`."""
        frame = self[index]
        return frame.depth if frame.depth_is_metric else None

    def coming(self, every: int = 1, max_frames: int | None = None) -> range:
        """Return the indices of the frames of a run: every `every`-th one, at most `max_frames`. A run skips those
        that are broken, and then reads later ones."""
        return range(0, len(self), every)[:max_frames]


class LiveSource(Source):
    """A source that can be read only once. Iterating yields frames until the source ends or any thread calls `close()`.

    frame_size: (H, W) of the frames, so that the network can be loaded before the first one; None if unknown.
    """

    frame_size: tuple[int, int] | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...


def kinds() -> dict[str, str]:
    """Return the name of each kind of source with its one-line description."""
    return plugins.describe(__file__, offers="open")


def split_kind(uri: str) -> tuple[str | None, str]:
    """Split "kind:path" into (kind, path); (None, uri) if `uri` names no kind.

    An address ("rtsp://..."), a drive ("C:\\...") and a path that exists as it is written name none.
    """
    kind, colon, rest = uri.partition(":")
    names_kind = colon and kind in kinds() and not rest.startswith("//") and not os.path.exists(uri)
    return (kind, rest) if names_kind else (None, uri)


def split_part(path: str) -> tuple[str, str]:
    """Split "path#part", where `part` names a part of a source, such as a subset of CO3D; (path, "") without a part.

    A path that exists is not split, because the name of a file may contain #.
    """
    whole, separator, part = path.rpartition("#")
    return (whole, part) if separator and not os.path.exists(path) else (path, "")


def open_source(uri: str | os.PathLike[str] | int, options: Options | None = None) -> Recording | LiveSource:
    """Open a recording or a live stream.

    uri: a path, whose kind is recognized by its content; "kind:path" to force a kind; the number of a camera; or an
        rtsp:// address. A folder that holds exactly one recording opens that one.
    Raises SourceError if no kind recognizes `uri`, or if it has no usable frame.
    """
    uri, options = address(uri), options or Options()
    kind, rest = split_kind(uri)
    if kind is not None:
        return _open_with(plugins.load(__name__, kind), os.path.expanduser(rest), options)
    uri = os.path.expanduser(uri)
    module = module_of(uri)
    if module is not None:
        return _open_with(module, uri, options)
    inner = [path for path in entries_of(uri) if recognized(path)]
    if len(inner) == 1:
        source = open_source(inner[0], options)
        unused = plugins.load(f"{__name__}.reading", "left_out").notes_on_unused(Path(uri), [Path(inner[0])])
        source.notes = (*source.notes, *unused)
        return source
    outer = os.path.dirname(os.path.abspath(uri))
    raise SourceError(*explain(uri, inner, outer if os.path.isfile(uri) and recognized(outer) else "", kinds()))


def _open_with(module: ModuleType, uri: str, options: Options) -> Recording | LiveSource:
    source: Recording | LiveSource = module.open(uri, options)
    if options.intrinsics is not None and isinstance(source, Recording):
        notes = plugins.load(f"{__name__}.reading", "cameras").notes_on_given(options.intrinsics, source)
        source.notes = (*source.notes, *notes)
    if options.depth_scale is not None and isinstance(source, Recording):
        try:  # readers of depth files check scales from elsewhere; the user's is checked here, for every kind
            scale = DepthScale(options.depth_scale, "--depth-scale")
            plugins.load(f"{__name__}.reading", "depth").check_frames(source, scale)
        except SourceError:
            source.close()
            raise
    return source


def is_live(uri: str) -> bool:
    """Return whether `open_source(uri)` would open a live source: a camera or a stream. This opens nothing."""
    kind, path = split_kind(uri)
    live = plugins.modules_declaring(__file__, "LIVE")
    return kind in live if kind else any(plugins.load(__name__, name).recognizes(path) for name in live)


def recognized(uri: str) -> bool:
    """Return whether any kind of source recognizes `uri`, which may still be damaged."""
    return module_of(uri) is not None


def read_mask(path: Path) -> np.ndarray:
    """Read a mask file in the way that sources read their ground truth; `reading.masks` has the rules.

    Returns (H, W) uint8 ids, 0 = background, 255 = void. Raises FrameError if the file is missing or broken, holds no
    ids, or too many.
    """
    mask: np.ndarray = plugins.load(f"{__name__}.reading", "masks").read_mask(path)
    return mask


def module_of(uri: str) -> ModuleType | None:
    """Return the module of the first kind that recognizes `uri`, or None."""
    modules = sorted((plugins.load(__name__, name) for name in kinds()), key=lambda module: module.PRIORITY)
    return next((module for module in modules if module.recognizes(uri)), None)


def kind_of(module: ModuleType | None) -> str:
    """Return the kind that `module_of` found: the name of its module; "" for None."""
    return "" if module is None else module.__name__.rpartition(".")[2]
