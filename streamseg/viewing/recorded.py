"""The frames of a recording, with the masks of a run if there is one, for a page with a scrubber."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.config import SourceConfig
from streamseg.errors import FrameError, SourceError, StreamsegError
from streamseg.files import MANIFEST
from streamseg.frame import VOID, Frame, Intrinsics
from streamseg.sources import LiveSource, Recording, is_live, open_source
from streamseg.sources.alignment import Alignment
from streamseg.text import without_secrets
from streamseg.text.asking import TO_DO
from streamseg.viewing.facts import facts_of_run
from streamseg.viewing.moment import Moment
from streamseg.viewing.output import OVERLAY, FrameEntry, Output

MAX_MOMENTS = 8
"""Number of frames that are kept, for requests of their other layers."""


class Recorded:
    """One recording or one run, as a page shows it. entries: its frames. source: gives colour and depth, None = not
    available. overlay: the overlay video of the run, used without a source. masks: {kind: one function for each frame,
    which returns (H, W) uint8 ids}. facts: (name, text) about the run. notes: lines of text. k: history in run.json.
    """

    def __init__(
        self,
        title: str,
        entries: list[FrameEntry],
        source: Recording | None,
        *,
        overlay: Recording | None = None,
        masks: Mapping[str, list[Callable[[], np.ndarray]]] | None = None,
        facts: list[tuple[str, str]] | None = None,
        notes: tuple[str, ...] = (),
        k: list[dict[str, Any]] | None = None,
    ) -> None:
        self.title, self.entries, self.source, self.overlay = title, entries, source, overlay
        self.masks, self.k = dict(masks or {}), k or []
        self.notes = sorted(notes, key=lambda note: not note.startswith(TO_DO))  # what the user must do comes first
        self._moments: OrderedDict[int, Moment] = OrderedDict()
        self._lock = threading.Lock()
        first = self._first_readable()
        self.has_depth = first is not None and first.load_depth is not None
        self.has_truth = first is not None and first.load_annotation is not None
        self.is_run, of_source = facts is not None, _facts_of_source(source, first)
        self.facts = [*(facts or []), *(fact for fact in of_source if fact[0] not in dict(facts or ()))]
        self.fps = source.fps if source is not None else 30.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of masks that can be shown. The page shows the first one at the start."""
        return (*self.masks, *(("truth",) if self.has_truth else ()))

    def about(self) -> dict[str, Any]:
        """Return what the page requests at the start."""
        return {
            "title": self.title,
            "names": [entry.name for entry in self.entries],
            "numbers": [entry.number for entry in self.entries],
            "run": self.is_run,
            "kinds": self.kinds,
            "depth": self.has_depth,
            "colour": self.source is not None or self.overlay is not None,
            "facts": self.facts,
            "notes": self.notes,
            "k": self.k,
            "fps": self.fps,
        }

    def moment(self, place: int) -> Moment:
        """Return the frame at `place` in `entries`. Raises FrameError if it is broken."""
        with self._lock:
            if place not in self._moments:
                self._moments[place] = self._make_moment(place)
                if len(self._moments) > MAX_MOMENTS:
                    self._moments.popitem(last=False)
            self._moments.move_to_end(place)
            return self._moments[place]

    def frame(self, place: int) -> Frame:
        """Return a frame of the source or, without one, from the overlay and the masks. Raises FrameError."""
        entry = self.entries[place]
        if self.source is not None and entry.number is not None:
            return self.source[entry.number]
        seconds = place / 30 if entry.time is None else entry.time
        mask = next(iter(self.masks.values()))[place]() if self.masks else None
        if self.overlay is not None and place < len(self.overlay):
            rgb = self.overlay[place].rgb
            if mask is not None:  # the video was padded to even sizes
                rgb = rgb[: mask.shape[0], : mask.shape[1]]
        elif mask is not None:
            rgb = np.zeros((*mask.shape, 3), np.uint8)
        else:
            raise FrameError("nothing is left of this frame")
        return Frame(place, entry.name, seconds, np.ascontiguousarray(rgb))

    def labels(self, kind: str, place: int, frame: Frame) -> np.ndarray:
        """Return the (H, W) uint8 ids of a frame, of its size. Raises FrameError."""
        ids = _truth(frame) if kind == "truth" else self.masks[kind][place]()
        if ids.shape != frame.rgb.shape[:2]:
            (h, w), (height, width) = ids.shape, frame.rgb.shape[:2]
            raise FrameError(f"masks are {w}x{h}, the recording is {width}x{height}: is it the one of the run?")
        return ids

    def close(self) -> None:
        """Release the files."""
        for recording in (self.source, self.overlay):
            if recording is not None:
                recording.close()

    def _make_moment(self, place: int) -> Moment:
        frame = self.frame(place)
        readers = {kind: partial(self.labels, kind, place, frame) for kind in self.kinds}
        return Moment(frame, readers, {"place": place}, self.entries[place].scores)

    def _first_readable(self) -> Frame | None:
        for place in range(len(self.entries)):
            try:
                return self.frame(place)
            except FrameError:
                continue
        return None


def open_recorded(given: str, options: SourceConfig, source: str = "") -> Recorded:
    """Open the output folder of a run, or a recording.

    given: a path or the address of a source. options: of the source; a run has its own. source: where the recording of
    the run is now, "" = the same place as in the run. Raises StreamsegError.
    """
    path = Path(given).expanduser()
    if not (path / MANIFEST).is_file():
        return _open_source_alone(given, options)
    if options != SourceConfig():
        flags = "--depth-scale, --intrinsics and --align-depth"
        raise SourceError(f"{given!r} is a run, which knows of its depth and camera", f"leave out {flags}")
    output = Output(path)
    recording, notes = _source_of(output, source)
    entries = output.entries(recording)
    overlay = _overlay_of(output) if recording is None else None
    if not entries and overlay is not None:
        entries = [FrameEntry(overlay.name_of(place)) for place in range(len(overlay))]
    if not entries:
        raise StreamsegError(
            f"{given!r} holds no masks and no frames that can be shown", "run again with --save labels or objects"
        )
    if overlay is not None:
        notes = (*notes, f"the picture is {OVERLAY}, which has the masks drawn in")
    return Recorded(
        str(path), entries, recording, overlay=overlay,
        masks={kind: output.reader(kind, entries) for kind in output.kinds},
        facts=facts_of_run(output.manifest), notes=(*notes, *map(str, output.manifest.get("notes") or ())),
        k=output.manifest.get("k"),
    )  # fmt: skip


def _open_source_alone(given: str, options: SourceConfig) -> Recorded:
    if is_live(given):
        raise SourceError(
            f"{without_secrets(given)!r} is live: its frames cannot be shown again",
            f"streamseg run {without_secrets(given)} --view browser",
        )
    opened = open_source(given, options)
    assert isinstance(opened, Recording)
    entries = [FrameEntry(opened.name_of(index), None, index) for index in range(len(opened))]
    reasons = Counter(skip.reason for skip in opened.skipped)
    skipped = tuple(f"{count} frames cannot be used: {reason}" for reason, count in reasons.items())
    return Recorded(without_secrets(given), entries, opened, notes=(*opened.notes, *skipped))


def _source_of(output: Output, moved_to: str) -> tuple[Recording | None, tuple[str, ...]]:
    """Return the recording of a run, or None with notes why it cannot be opened. Raises an error only if the user has
    said where it is: `moved_to`."""
    if not moved_to and is_live(output.uri):
        return None, ("the run's camera is not opened again",)
    options = output.settings.get("options") or {}
    try:
        intrinsics, align = options.get("intrinsics"), options.get("align_depth")
        config = SourceConfig(
            Intrinsics(**intrinsics) if intrinsics else None,
            options.get("depth_scale"),
            Alignment(**align) if align else None,
        )
        opened = open_source(moved_to or _resolved_uri(output), config)
    except (StreamsegError, TypeError) as problem:
        if moved_to:
            raise
        return None, (f"the recording cannot be opened ({problem}); say where it is: --source PATH",)
    if isinstance(opened, LiveSource):
        opened.close()
        return None, ("the run's source is live",)
    return opened, ()


def _resolved_uri(output: Output) -> str:
    """Return the address of the source of a run. A relative path is relative to the folder where the run was started:
    the current one or, else, one that contains the output folder."""
    kind, colon, rest = output.uri.rpartition(":")
    if not Path(rest).is_absolute():
        for folder in output.path.resolve().parents:
            if not Path(rest).exists() and (folder / rest).exists():
                return f"{kind}{colon}{folder / rest}"
    return output.uri


def _overlay_of(output: Output) -> Recording | None:
    if not (output.path / OVERLAY).is_file():
        return None
    opened = open_source(f"video:{output.path / OVERLAY}")
    assert isinstance(opened, Recording)
    return opened


def _facts_of_source(source: Recording | None, first: Frame | None) -> list[tuple[str, str]]:
    if source is None or first is None:
        return []
    height, width = first.rgb.shape[:2]
    facts = [("recording", f"{source.kind}, {len(source)} frames of {width}x{height}, {source.fps:.3g} frames/s")]
    if (given := first.intrinsics) is not None:
        facts.append(("camera", f"fx {given.fx:g}, fy {given.fy:g}, cx {given.cx:g}, cy {given.cy:g}"))
    elif first.load_depth is not None:
        facts.append(("camera", "unknown: --intrinsics FX,FY,CX,CY"))
    if source.depth_scale is not None:
        facts.append(("depth", f"{source.depth_scale:g} units a metre ({source.depth_scale_origin})"))
    elif first.load_depth is None:
        facts.append(("depth", "none"))
    elif not first.depth_is_metric:
        facts.append(("depth", "of unknown unit"))
    return [*facts, ("ground truth", "none" if first.load_annotation is None else "masks")]


def _truth(frame: Frame) -> np.ndarray:
    """Return the ground truth as (H, W) uint8. Ids above VOID are mapped to 1 ... 254, so that several share one."""
    truth = frame.annotation
    if truth is None:
        return np.zeros(frame.rgb.shape[:2], np.uint8)
    return np.where(truth > VOID, 1 + (truth - 1) % (VOID - 1), truth).astype(np.uint8)
