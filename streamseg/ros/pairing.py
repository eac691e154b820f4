"""The newest image that has come, with the depth of its moment, which may come later than the image."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, NamedTuple

from streamseg.sources.ros.index import BILLION, TOLERANCE

WAITING = 8  # messages of each topic that may wait for their partner
PATIENCE = 0.5  # seconds that an image waits for its depth
AT_ONCE = 5_000_000  # nanoseconds between messages that surely belong together


class Arrival(NamedTuple):
    """A message. stamp: of its header [ns]; at: `time.monotonic()` when it came."""

    stamp: int
    at: float
    message: Any


class Newest:
    """Filled by one thread, emptied by another. paired: whether depth is to come."""

    def __init__(self) -> None:
        self.paired = False
        self._images: deque[Arrival] = deque(maxlen=WAITING)
        self._depths: deque[Arrival] = deque(maxlen=WAITING)
        self._came = threading.Condition()

    def put_image(self, image: Arrival) -> None:
        with self._came:
            self._images.append(image)
            self._came.notify_all()

    def put_depth(self, depth: Arrival) -> None:
        with self._came:
            self._depths.append(depth)
            self._came.notify_all()

    def peek(self) -> tuple[Any, Any]:
        """The newest image and the newest depth, which stay; None for what has not come."""
        with self._came:
            image, depth = (waiting[-1].message if waiting else None for waiting in (self._images, self._depths))
            return image, depth

    def take(self, timeout: float) -> tuple[Any, Any] | None:
        """The newest image and its depth, or None for the depth of an image that has waited for PATIENCE; older images
        are dropped. None where nothing is there within `timeout` seconds."""
        end = time.monotonic() + timeout
        with self._came:
            while (found := self._ready()) is None:
                rest = end - time.monotonic()
                if rest <= 0:
                    return None
                self._came.wait(rest)
            return found

    def _ready(self) -> tuple[Any, Any] | None:
        if not self._images:
            return None
        if self.paired:
            for place in range(len(self._images) - 1, -1, -1):
                depth = self._partner(self._images[place])
                if depth is not None:
                    taken = [self._images.popleft() for _ in range(place + 1)]
                    self._depths.remove(depth)
                    return taken[-1].message, depth.message
            if time.monotonic() - self._images[0].at < PATIENCE:
                return None
        image = self._images.pop()
        self._images.clear()
        return image.message, None

    def _partner(self, image: Arrival) -> Arrival | None:
        """The depth nearest to it, as soon as none that is nearer can come."""
        near = min(self._depths, key=lambda one: abs(one.stamp - image.stamp), default=None)
        if near is None or abs(near.stamp - image.stamp) > TOLERANCE * BILLION:
            return None
        settled = max(one.stamp for one in self._depths) >= image.stamp - AT_ONCE
        return near if settled else None
