"""Sources of frames. Each kind is a module; `open_source(uri)` finds the right one by content.

The name of a module is the kind, and the first line of its docstring the description. A module offers

    PRIORITY: int                             tried in rising order; specific layouts before general ones
    recognizes(uri: str) -> bool              by content, cheaply, without raising
    open(uri: str, options: Options) -> Recording | LiveSource        raises SourceError

and, if a path may hold several recordings, such as the root of a data set or a folder of videos,

    expand(uri: str) -> list[str]             each of them, as `open` takes it, without opening any
    ELSEWHERE = True                          ... as `open_source` takes it: what it names are recordings of other kinds
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


@dataclass(frozen=True)
class Skip:
    """A frame that could not be used: its name and the reason (short, countable)."""

    name: str
    reason: str


class DepthScale(NamedTuple):
    """Stored units of depth per metre, and where they come from. guessed: from no file, data set name or format."""

    units_per_metre: float
    origin: str
    guessed: bool = False

    @classmethod
    def choose(cls, options: Options, units: float, origin: str) -> DepthScale:
        """The scale that the user gave; otherwise the given one."""
        return cls(options.depth_scale, "--depth-scale") if options.depth_scale else cls(units, origin)


class Source(ABC):
    """Base class of recordings and live sources.

    uri: as given by the user. kind: name of the module. fps: nominal frames per second, for the output video.
    pixel_aspect: width of a pixel divided by its height; frames are yielded as they are stored.
    skipped: for run.json. Recording: frames that are known to be unusable before any is decoded, such as missing files.
    Live source: interruptions, added while it runs.
    notes: one sentence each, known from the start: what was assumed, what is unknown and how to give it, what was left
    out; see `text.asking` for notes that ask for something.
    depth_scale: stored units of depth per metre; None without depth, or if it is not metric. depth_scale_origin: where
    the scale comes from ("--depth-scale", a file's name, "assumed"), "" if there is none.
    """

    uri: str
    kind: str
    fps: float = 30.0
    pixel_aspect: Fraction = Fraction(1)
    skipped: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    depth_scale: float | None = None
    depth_scale_origin: str = ""

    def close(self) -> None:  # noqa: B027 (most sources hold nothing open)
        """Release all resources. May be called several times."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Recording(Source):
    """A source with random access. It can be pickled by its arguments, so that worker processes can open it themselves.

    `self[i]` raises FrameError if frame i is broken, IndexError outside 0 ... len - 1.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Frame: ...

    @abstractmethod
    def name_of(self, index: int) -> str:
        """The name of frame `index`, without decoding it."""

    def file_of(self, index: int) -> Path | None:
        """The image file of frame `index`; None if the frame is not a file of its own. Raises IndexError."""
        return None

    def reduced(self, index: int, least: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB of frame `index`, downscaled if its file can be decoded faster at a smaller size; the
        shorter side is at least `least`, or that of the frame. Raises the same errors as `self[index]`."""
        return self[index].rgb

    def measured_depth(self, index: int) -> np.ndarray | None:
        """Return the depth of frame `index` as the depth camera sees it: (h, w) float32 metres, 0 = no reading; None
        without metric depth. Sources that register depth to the colour override this, because registration drops the
        readings that a wrong depth scale moves next to the camera. Raises the same errors as `self[index]`."""
        frame = self[index]
        return frame.depth if frame.depth_is_metric else None

    def coming(self, every: int = 1, max_frames: int | None = None) -> range:
        """The indices of a run if no frame is broken: every `every`-th frame, `max_frames` at most."""
        return range(0, len(self), every)[:max_frames]


class LiveSource(Source):
    """A source that cannot be rewound. Iterating yields frames until it ends; `close()` from any thread ends it.

    frame_size: (H, W) of its frames, to load the network before the first frame; None if unknown until then.
    """

    frame_size: tuple[int, int] | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...


def kinds() -> dict[str, str]:
    """Every source kind with its one-line description."""
    return plugins.describe(__file__, offers="open")


def split_kind(uri: str) -> tuple[str | None, str]:
    """Split "kind:path" into its parts when `kind` is a known source; ("rtsp://..." and "C:\\..." have none, nor has
    a path that exists as it is written)."""
    kind, colon, rest = uri.partition(":")
    known = colon and kind in kinds() and not rest.startswith("//") and not os.path.exists(uri)
    return (kind, rest) if known else (None, uri)


def split_part(path: str) -> tuple[str, str]:
    """Split "path#part" of a source that has named parts, such as CO3D's subsets; ("path", "") where it names none.

    A path that exists is whole: # is as good a letter in a name as any.
    """
    whole, mark, part = path.rpartition("#")
    return (whole, part) if mark and not os.path.exists(path) else (path, "")


def open_source(uri: str, options: Options | None = None) -> Recording | LiveSource:
    """Open a recording or a live stream.

    uri: a path (recognized by its content), "kind:path" to force a kind, a camera number, or an rtsp:// address.
    Raises SourceError if no kind recognizes it, or if it has no usable frame.
    """
    options = options or Options()
    kind, rest = split_kind(uri)
    if kind is not None:
        return _opened(plugins.load(__name__, kind), os.path.expanduser(rest), options)
    uri = os.path.expanduser(uri)
    module = module_of(uri)
    if module is not None:
        return _opened(module, uri, options)
    inner = [path for path in entries_of(uri) if recognized(path)]
    if len(inner) == 1:
        source = open_source(inner[0], options)
        others = plugins.load(f"{__name__}.reading", "left_out").left_out(Path(uri), [Path(inner[0])])
        source.notes = (*source.notes, *others)
        return source
    raise SourceError(*explain(uri, inner, kinds()))


def _opened(module: ModuleType, uri: str, options: Options) -> Recording | LiveSource:
    source: Recording | LiveSource = module.open(uri, options)
    if options.depth_scale is not None and isinstance(source, Recording):
        try:  # readers of depth files check a scale from a file; here, the user's scale is checked for every kind
            scale = DepthScale(options.depth_scale, "--depth-scale")
            plugins.load(f"{__name__}.reading", "depth").check_frames(source, scale)
        except SourceError:
            source.close()
            raise
    return source


def recognized(uri: str) -> bool:
    """Whether some kind of source takes `uri` for its own; it may be damaged all the same."""
    return module_of(uri) is not None


def read_mask(path: Path) -> np.ndarray:
    """(H, W) uint8 ids of a mask file as sources read their ground truth, 0 = background, 255 = void.

    The rules stand in `reading.masks`. Raises FrameError: missing, broken, no ids, too many.
    """
    mask: np.ndarray = plugins.load(f"{__name__}.reading", "masks").read_mask(path)
    return mask


def module_of(uri: str) -> ModuleType | None:
    """The module of the kind that `uri` has by its content, or None."""
    modules = sorted((plugins.load(__name__, name) for name in kinds()), key=lambda module: module.PRIORITY)
    return next((module for module in modules if module.recognizes(uri)), None)
