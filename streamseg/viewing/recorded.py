"""The frames of a recording, with the masks of a run where there is one, for a page with a scrubber."""

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
from streamseg.frame import VOID, Frame, Intrinsics
from streamseg.sources import LiveSource, Recording, camera, open_source, split_kind
from streamseg.sources.alignment import Alignment
from streamseg.text import without_secrets
from streamseg.text.asking import TO_DO
from streamseg.viewing.facts import facts_of_run
from streamseg.viewing.moment import Moment
from streamseg.viewing.output import MANIFEST, OVERLAY, Output, Stamp

KEPT = 8
"""Moments that are kept, for other layers of frames that are looked at."""


class Recorded:
    """What a page shows of one recording or one run.

    source: where colour and depth come from, or None; overlay: the run's own video, in its place. masks: readers of
    (H, W) uint8 ids by kind, one a frame.
    """

    def __init__(
        self,
        title: str,
        stamps: list[Stamp],
        source: Recording | None,
        *,
        overlay: Recording | None = None,
        masks: Mapping[str, list[Callable[[], np.ndarray]]] | None = None,
        facts: list[tuple[str, str]] | None = None,
        notes: tuple[str, ...] = (),
        k: list[dict[str, Any]] | None = None,
    ) -> None:
        self.title, self.stamps, self.source, self.overlay = title, stamps, source, overlay
        self.masks, self.k = dict(masks or {}), k or []
        self.notes = sorted(notes, key=lambda note: not note.startswith(TO_DO))  # what asks for something first
        self._moments: OrderedDict[int, Moment] = OrderedDict()
        self._lock = threading.Lock()
        first = self._first()
        self.has_depth = first is not None and first.load_depth is not None
        self.has_truth = first is not None and first.load_annotation is not None
        self.facts = [*(facts or []), *_facts_of_source(source, first)]
        self.fps = source.fps if source is not None else 30.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Masks that can be shown; the first one is shown first."""
        return (*self.masks, *(("truth",) if self.has_truth else ()))

    def about(self) -> dict[str, Any]:
        """What the page is told at the start."""
        return {
            "title": self.title,
            "names": [one.name for one in self.stamps],
            "numbers": [one.number for one in self.stamps],
            "kinds": self.kinds,
            "depth": self.has_depth,
            "colour": self.source is not None or self.overlay is not None,
            "facts": self.facts,
            "notes": self.notes,
            "k": self.k,
            "fps": self.fps,
        }

    def moment(self, place: int) -> Moment:
        """The frame at `place`. Raises FrameError where it is broken."""
        with self._lock:
            if place not in self._moments:
                self._moments[place] = self._made(place)
                if len(self._moments) > KEPT:
                    self._moments.popitem(last=False)
            self._moments.move_to_end(place)
            return self._moments[place]

    def frame(self, place: int) -> Frame:
        """Of the source or, where that has gone, as far as the run kept it. Raises FrameError."""
        stamp = self.stamps[place]
        if self.source is not None and stamp.number is not None:
            return self.source[stamp.number]
        seconds = place / 30 if stamp.time is None else stamp.time
        mask = next(iter(self.masks.values()))[place]() if self.masks else None
        if self.overlay is not None and place < len(self.overlay):
            rgb = self.overlay[place].rgb
            if mask is not None:  # a video has even sides
                rgb = rgb[: mask.shape[0], : mask.shape[1]]
        elif mask is not None:
            rgb = np.zeros((*mask.shape, 3), np.uint8)
        else:
            raise FrameError("nothing is left of this frame")
        return Frame(place, stamp.name, seconds, np.ascontiguousarray(rgb))

    def labels(self, kind: str, place: int, frame: Frame) -> np.ndarray:
        """(H, W) uint8 of the frame's own size. Raises FrameError."""
        found = _truth(frame) if kind == "truth" else self.masks[kind][place]()
        if found.shape != frame.rgb.shape[:2]:
            (h, w), (height, width) = found.shape, frame.rgb.shape[:2]
            raise FrameError(f"masks are {w}x{h}, the recording is {width}x{height}: is it the one of the run?")
        return found

    def close(self) -> None:
        """Release the files."""
        for one in (self.source, self.overlay):
            if one is not None:
                one.close()

    def _made(self, place: int) -> Moment:
        frame = self.frame(place)
        readers = {kind: partial(self.labels, kind, place, frame) for kind in self.kinds}
        return Moment(frame, readers, {"place": place}, self.stamps[place].scores)

    def _first(self) -> Frame | None:
        """The first frame that can be read."""
        for place in range(len(self.stamps)):
            try:
                return self.frame(place)
            except FrameError:
                continue
        return None


def open_recorded(given: str, options: SourceConfig, source: str = "") -> Recorded:
    """An output folder of a run, or anything that can be segmented but a live source. source: of a run, where that is
    no longer where it was. Raises StreamsegError."""
    path = Path(given).expanduser()
    if not (path / MANIFEST).is_file():
        return _open_source_alone(given, options)
    if options != SourceConfig():
        raise SourceError(
            f"{given!r} is a run, which knows of its depth and camera",
            "leave out --depth-scale, --intrinsics and --align-depth",
        )
    output = Output(path)
    recording, notes = _source_of(output, source)
    stamps = output.stamps(recording)
    overlay = _overlay_of(output) if recording is None else None
    if not stamps and overlay is not None:
        stamps = [Stamp(overlay.name_of(place)) for place in range(len(overlay))]
    if not stamps:
        raise StreamsegError(
            f"{given!r} holds no masks and no frames that can be shown", "run again with --save labels or objects"
        )
    if overlay is not None:
        notes = (*notes, f"the picture is {OVERLAY}, which has the masks drawn in")
    return Recorded(
        str(path), stamps, recording, overlay=overlay,
        masks={kind: output.reader(kind, stamps) for kind in output.kinds},
        facts=facts_of_run(output.manifest), notes=(*notes, *map(str, output.manifest.get("notes") or ())),
        k=output.manifest.get("k"),
    )  # fmt: skip


def _open_source_alone(given: str, options: SourceConfig) -> Recorded:
    kind, rest = split_kind(given)
    if kind == "camera" or (kind is None and camera.recognizes(rest)):  # before it is opened: a camera starts then
        raise SourceError(
            f"{without_secrets(given)!r} is live: its frames cannot be shown again",
            f"streamseg run {without_secrets(given)} --view browser",
        )
    opened = open_source(given, options)
    assert isinstance(opened, Recording)
    stamps = [Stamp(opened.name_of(index), None, index) for index in range(len(opened))]
    lost = Counter(skip.reason for skip in opened.skipped)
    missing = tuple(f"{count} frames cannot be used: {reason}" for reason, count in lost.items())
    return Recorded(without_secrets(given), stamps, opened, notes=(*opened.notes, *missing))


def _source_of(output: Output, told: str) -> tuple[Recording | None, tuple[str, ...]]:
    """What the run ran on, and why it is not there where it is not."""
    if not told and output.kind == "camera":
        return None, ("the run's camera is not opened again",)
    options = output.settings.get("options") or {}
    try:
        lens, align = options.get("intrinsics"), options.get("align_depth")
        config = SourceConfig(
            Intrinsics(**lens) if lens else None, options.get("depth_scale"), Alignment(**align) if align else None
        )
        opened = open_source(told or _found(output), config)
    except (StreamsegError, TypeError) as problem:
        if told:
            raise
        return None, (f"the recording cannot be opened ({problem}); say where it is: --source PATH",)
    if isinstance(opened, LiveSource):
        opened.close()
        return None, ("the run's source is live",)
    return opened, ()


def _found(output: Output) -> str:
    """A relative path was seen from where the run was started: here, or above its output."""
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
    lens = first.intrinsics
    if lens is not None:
        facts.append(("intrinsics", f"fx {lens.fx:g}, fy {lens.fy:g}, cx {lens.cx:g}, cy {lens.cy:g}"))
    elif first.load_depth is not None:
        facts.append(("intrinsics", "unknown: --intrinsics FX,FY,CX,CY"))
    if source.depth_scale is not None:
        facts.append(("depth", f"{source.depth_scale:g} units a metre ({source.depth_scale_origin})"))
    elif first.load_depth is None:
        facts.append(("depth", "none"))
    elif not first.depth_is_metric:
        facts.append(("depth", "of unknown unit"))
    facts.append(("ground truth", "none" if first.load_annotation is None else "masks"))
    return facts


def _truth(frame: Frame) -> np.ndarray:
    """The ground truth as ids 0 ... 254; of more than that some share one."""
    found = frame.annotation
    if found is None:
        return np.zeros(frame.rgb.shape[:2], np.uint8)
    ids = np.where(found > VOID, 1 + (found - 1) % (VOID - 1), found)
    return ids.astype(np.uint8)
