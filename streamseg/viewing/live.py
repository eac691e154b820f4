"""A run while it goes on: one place for the newest frame, and the wishes of who watches.

The run puts a reference there and goes on; nothing is encoded unless somebody asks. A page asks for the next frame when
it has drawn the last one: who is slow gets fewer frames, always the newest, and nobody waits for anybody.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from streamseg.frame import Frame, Segmentation
from streamseg.masks import drawing, palette
from streamseg.viewing.moment import Moment, jpeg
from streamseg.viewing.rate import Rate
from streamseg.viewing.server import Answer, Refused, Route, as_json, number

FPS = 15
"""Pictures a second that are made at most, for all viewers together: the cores belong to the run."""
FIGURES = 0.5
"""Seconds between two measurements of the ids: nobody reads faster, and they take longer than the pictures."""
WAIT = 5.0
"""Seconds that a request waits for a new frame; then the page asks again."""
KEPT = 16
"""Frames that were looked at lately, for pages that pause on one."""
LARGEST_K = 64
BOUNDARY = "frame"


class Steerable(Protocol):
    """What pages may change in a run, from any thread; see `runtime.segmenter.Segmenter.steer`."""

    def steer(self, k: int | None = None, recluster: bool = False) -> None: ...


class Live:
    """What the live page gets. title: of the run; masks: the kind that its sinks take; alpha: of the overlay."""

    def __init__(self, title: str, masks: str, alpha: float, control: Steerable | None) -> None:
        self.title, self.kind, self.alpha, self.control = title, masks, alpha, control
        self.rate = Rate()
        self._new = threading.Condition()
        self._number = 0
        self._newest: tuple[Frame, Segmentation] | None = None
        self._moments: OrderedDict[int, Moment] = OrderedDict()
        self._made = self._measured = 0.0  # when the last moment was, and the last one with figures
        self._ended = False

    def put(self, frame: Frame, segmentation: Segmentation) -> None:
        """The next frame of the run."""
        self.rate.tick()
        with self._new:
            self._newest, self._number = (frame, segmentation), self._number + 1
            self._new.notify_all()

    def end(self) -> None:
        """The run is over: whoever waits is told."""
        with self._new:
            self._ended = True
            self._new.notify_all()

    @property
    def gets(self) -> dict[str, Route]:
        """Routes by path."""
        return {"/moment": self._moment, "/about": self._about, "/stream.mjpg": self._mjpeg}

    @property
    def posts(self) -> dict[str, Route]:
        """Routes by path."""
        return {"/steer": self._steer}

    def _about(self, _query: Mapping[str, Any]) -> Answer:
        return as_json({
            "title": self.title, "kind": self.kind, "alpha": self.alpha, "fps": FPS,
            "steerable": self.control is not None, "largest_k": LARGEST_K, "palette": colours(),
        })  # fmt: skip

    def _moment(self, query: Mapping[str, Any]) -> Answer:
        """after=N: the newest frame later than the N-th; figures=1: its ids are measured in any case. at=N: that
        frame, if it was looked at lately."""
        if "at" in query:
            with self._new:
                moment = self._moments.get(number(query, "at", 0, 2**53))
            if moment is None:
                raise Refused("that frame is gone", HTTPStatus.GONE)
        else:
            found = self._next(number(query, "after", 0, 2**53, 0), WAIT)
            if found is None:
                return as_json({"ended": self._ended})
            moment = found[1]
        if query.get("layer") == "all":
            return Answer(moment.packed(tuple(moment.masks), depth=True))
        figures = query.get("figures") == "1" or bool(moment.about["figures"])
        wanted = str(query.get("layer"))
        kind = wanted if wanted in moment.masks else self.kind
        return Answer(moment.packed((kind,), depth=wanted == "depth", figures=figures))

    def _next(self, after: int, seconds: float) -> tuple[int, Moment] | None:
        """A frame later than the `after`-th: the newest, when it is its turn, or the last one that somebody else got.
        None where none comes in time, or the run is over."""
        until = time.monotonic() + seconds
        with self._new:
            while not self._ended:
                now = time.monotonic()
                turn = self._made + 1 / FPS
                last = next(reversed(self._moments), 0)
                if self._number > max(after, last) and self._newest is not None and now >= turn:
                    self._made, last = now, self._number
                    self._moments[last] = self._described(last, *self._newest)
                    if len(self._moments) > KEPT:
                        self._moments.popitem(last=False)
                if last > after:
                    return last, self._moments[last]
                if now >= until:
                    break
                self._new.wait(min(until, turn if self._number > after else until) - now)
        return None

    def _described(self, number: int, frame: Frame, segmentation: Segmentation) -> Moment:
        due = self._made >= self._measured + FIGURES
        self._measured = self._made if due else self._measured
        kinds = ["regions"] if segmentation.objects is None else ["regions", "objects", "panoptic"]
        about = {
            "number": number,
            "figures": due,
            "k": segmentation.k,
            "fps": self.rate.fps,
            "latency_ms": segmentation.latency_ms,
            "kinds": kinds,
        }
        masks = {kind: partial(segmentation.mask, kind) for kind in kinds}
        return Moment(frame, masks, about, {kind: segmentation.scores_of(kind) for kind in kinds})

    def _steer(self, wish: Mapping[str, Any]) -> Answer:
        """k: a number, or 0 for the knee's; recluster: true."""
        if self.control is None:
            raise Refused("this run cannot be steered", HTTPStatus.CONFLICT)
        k = number(wish, "k", 0, LARGEST_K) if "k" in wish else None
        self.control.steer(k, wish.get("recluster") is True)
        return as_json({})

    def _mjpeg(self, _query: Mapping[str, Any]) -> Answer:
        """The overlay as motion JPEG: for an <img>, a player, OpenCV."""
        return Answer(self._parts(), f"multipart/x-mixed-replace; boundary={BOUNDARY}")

    def _parts(self) -> Iterator[bytes]:
        last = 0
        yield f"--{BOUNDARY}\r\n".encode()
        while not self._ended:
            found = self._next(last, WAIT)
            if found is None:
                continue
            last, moment = found
            picture = jpeg(drawing.overlay(moment.frame.rgb, moment.labels(self.kind), self.alpha))
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            yield head.encode() + picture + f"\r\n--{BOUNDARY}\r\n".encode()


def colours() -> list[str]:
    """The colours of ids 0 ... 255, "#rrggbb"."""
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in palette.distinct().tolist()]
