"""The page of a run in progress: it shows the latest frame, and can change k.

The run only stores a reference to each frame, which is encoded if a page requests it. A page requests the next frame
once it has drawn the last one: a slow page gets fewer frames, always the latest, and delays neither the run nor others.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from streamseg.frame import Frame, Segmentation
from streamseg.masks import drawing, palette
from streamseg.masks.encoding import jpeg
from streamseg.viewing.moment import QUALITY, Moment
from streamseg.viewing.rate import Rate
from streamseg.viewing.server import Answer, Refused, Route, as_json, number

FPS = 15
"""The most frames per second that are encoded, for all viewers together, because the run needs the cores."""
FIGURES = 0.5
"""Seconds between two measurements of the ids. They take longer than the images, and nobody reads them faster."""
WAIT = 5.0
"""Seconds that a request waits for a new frame. After that, the page repeats it."""
LINGER = 0.5
"""Seconds that the server stays after the end of the run, so that pages which draw a frame can request the last one."""
MAX_MOMENTS = 16
"""Number of recent frames that are kept, for pages that pause on one of them."""
LARGEST_K = 64
BOUNDARY = "frame"
"""The boundary between the parts of the motion JPEG stream."""


class Steerable(Protocol):
    """A run that pages can change, from any thread; see `runtime.segmenter.Segmenter.steer`."""

    def steer(self, k: int | None = None, recluster: bool = False) -> None: ...


class Live:
    """Answers the requests of the live page.

    title: of the run. masks: the kind of masks that its sinks use. alpha: opacity of the masks, 0 ... 1. control: the
    run, None = it cannot be changed.
    """

    def __init__(self, title: str, masks: str, alpha: float, control: Steerable | None) -> None:
        self.title, self.kind, self.alpha, self.control = title, masks, alpha, control
        self.rate = Rate()
        self._new = threading.Condition()
        self._number = 0
        self._latest: tuple[Frame, Segmentation] | None = None
        self._moments: OrderedDict[int, Moment] = OrderedDict()
        self._made_at = self._measured_at = 0.0  # times of the last moment, and of the last one with figures
        self._asked_at = -math.inf  # time of the last request for a frame
        self._ended = False
        self._last: Moment | None = None  # the last frame of a run that has ended

    def put(self, frame: Frame, segmentation: Segmentation) -> None:
        """Store the next frame of the run."""
        self.rate.tick()
        with self._new:
            self._latest, self._number = (frame, segmentation), self._number + 1
            self._new.notify_all()

    def end(self) -> None:
        """End the page: requests that wait for a frame, and all later ones, get the last frame."""
        with self._new:
            self._ended = True
            if self._latest is not None:
                self._last = self._make_moment(self._number, *self._latest)
            self._new.notify_all()

    @property
    def watched(self) -> bool:
        """Whether a page waits for the next frame, or draws the last one."""
        return time.monotonic() < self._asked_at + WAIT + LINGER

    @property
    def gets(self) -> dict[str, Route]:
        """Routes of GET by path."""
        return {"/moment": self._moment, "/about": self._about, "/stream.mjpg": self._mjpeg}

    @property
    def posts(self) -> dict[str, Route]:
        """Routes of POST by path."""
        return {"/steer": self._steer}

    def _about(self, _query: Mapping[str, Any]) -> Answer:
        return as_json({
            "title": self.title, "kind": self.kind, "alpha": self.alpha, "fps": FPS,
            "steerable": self.control is not None, "largest_k": LARGEST_K, "palette": colours(),
        })  # fmt: skip

    def _moment(self, query: Mapping[str, Any]) -> Answer:
        """Answer a request for a frame.

        after=N: the latest frame, if it is later than number N. figures=1: measure its ids in any case. at=N: frame
        number N, if it is one of the recent moments. end=1: no frame before the last one, for a page that is hidden or
        paused. layer: kind of masks, "depth" or "all". When the run has ended, the answer is its last frame with all
        layers, which the page can show without the server.
        """
        if "at" in query:
            with self._new:
                moment = self._moments.get(number(query, "at", 0, 2**53))
            if moment is None:
                raise Refused("that frame is gone", HTTPStatus.GONE)
        else:
            self._asked_at = time.monotonic()
            if query.get("end") == "1":
                with self._new:
                    self._new.wait_for(lambda: self._ended, WAIT)
                later = None
            else:
                later = self._next(number(query, "after", 0, 2**53, 0), WAIT)
            if self._last is not None:
                return Answer(self._last.packed(tuple(self._last.masks), depth=True))
            if later is None:
                return as_json({"ended": self._ended})
            moment = later[1]
        layer = str(query.get("layer"))
        if layer == "all":
            return Answer(moment.packed(tuple(moment.masks), depth=True))
        figures = query.get("figures") == "1" or bool(moment.about["figures"])
        kind = layer if layer in moment.masks else self.kind
        return Answer(moment.packed((kind,), depth=layer == "depth", figures=figures))

    def _next(self, after: int, seconds: float) -> tuple[int, Moment] | None:
        """Return the number and the moment of a frame later than number `after`; waits for it up to `seconds`.

        This is the moment of the latest frame, or an older one that another page got, if FPS allows no new one yet.
        Returns None if there is none in time, or if the run has ended.
        """
        until = time.monotonic() + seconds
        with self._new:
            while not self._ended:
                now = time.monotonic()
                next_at = self._made_at + 1 / FPS
                last = next(reversed(self._moments), 0)
                if self._number > max(after, last) and self._latest is not None and now >= next_at:
                    self._made_at, last = now, self._number
                    self._moments[last] = self._make_moment(last, *self._latest)
                    if len(self._moments) > MAX_MOMENTS:
                        self._moments.popitem(last=False)
                if last > after:
                    return last, self._moments[last]
                if now >= until:
                    break
                self._new.wait(min(until, next_at if self._number > after else until) - now)
        return None

    def _make_moment(self, number: int, frame: Frame, segmentation: Segmentation) -> Moment:
        has_figures = self._made_at >= self._measured_at + FIGURES
        if has_figures:
            self._measured_at = self._made_at
        kinds = ["regions"] if segmentation.objects is None else ["regions", "objects", "panoptic"]
        about = {
            "number": number,
            "ended": self._ended,
            "figures": has_figures,
            "k": segmentation.k,
            "fps": self.rate.fps,
            "latency_ms": segmentation.latency_ms,
            "kinds": kinds,
        }
        masks = {kind: partial(segmentation.mask, kind) for kind in kinds}
        return Moment(frame, masks, about, {kind: segmentation.scores_of(kind) for kind in kinds})

    def _steer(self, change: Mapping[str, Any]) -> Answer:
        """Change the run. k: number of regions, 0 = by the knee. recluster: true."""
        if self.control is None:
            raise Refused("this run cannot be steered", HTTPStatus.CONFLICT)
        k = number(change, "k", 0, LARGEST_K) if "k" in change else None
        self.control.steer(k, change.get("recluster") is True)
        return as_json({})

    def _mjpeg(self, _query: Mapping[str, Any]) -> Answer:
        """Answer with the overlay as motion JPEG, for an <img>, a video player or OpenCV."""
        return Answer(self._parts(), f"multipart/x-mixed-replace; boundary={BOUNDARY}")

    def _parts(self) -> Iterator[bytes]:
        last = 0
        yield f"--{BOUNDARY}\r\n".encode()
        while not self._ended:
            later = self._next(last, WAIT)
            if later is None:
                continue
            last, moment = later
            overlay = drawing.overlay(moment.frame.rgb, moment.labels(self.kind), self.alpha)
            picture = jpeg(overlay, QUALITY)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            yield head.encode() + picture + f"\r\n--{BOUNDARY}\r\n".encode()


def colours() -> list[str]:
    """Return the colours of the ids 0 ... 255, as "#rrggbb"."""
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in palette.distinct().tolist()]
