"""Pairs the newest image with the depth frame of the same time, which may arrive later than the image."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, NamedTuple

from streamseg.sources.ros.index import BILLION, TOLERANCE

QUEUE_LENGTH = 8  # messages of each topic that may wait for their partner
PATIENCE = 0.5  # seconds that an image waits for its depth
SAME_TIME = 5_000_000  # nanoseconds between the stamps of two messages that surely belong together


class Arrival(NamedTuple):
    """A message. stamp: of its header [ns]. at: `time.monotonic()` [s] when it arrived."""

    stamp: int
    at: float
    message: Any


class Newest:
    """The messages that have arrived: one thread puts them, another one takes them. paired: whether images get
    depth."""

    def __init__(self) -> None:
        self.paired = False
        self._images: deque[Arrival] = deque(maxlen=QUEUE_LENGTH)
        self._depths: deque[Arrival] = deque(maxlen=QUEUE_LENGTH)
        self._arrived = threading.Condition()

    def put_image(self, image: Arrival) -> None:
        with self._arrived:
            self._images.append(image)
            self._arrived.notify_all()

    def put_depth(self, depth: Arrival) -> None:
        with self._arrived:
            self._depths.append(depth)
            self._arrived.notify_all()

    def peek(self) -> tuple[Any, Any]:
        """Return the newest image and the newest depth without removing them; None for one that has not arrived."""
        with self._arrived:
            image = self._images[-1].message if self._images else None
            depth = self._depths[-1].message if self._depths else None
            return image, depth

    def take(self, timeout: float) -> tuple[Any, Any] | None:
        """Remove and return the newest image and its depth; older images are dropped. The depth is None if the image
        has waited for PATIENCE. Return None if there is no image within `timeout` seconds."""
        end = time.monotonic() + timeout
        with self._arrived:
            while True:
                pair = self._take_pair()
                seconds_left = end - time.monotonic()
                if pair is not None or seconds_left <= 0:
                    return pair
                self._arrived.wait(seconds_left)

    def _take_pair(self) -> tuple[Any, Any] | None:
        """Return what `take` returns, if it is there now."""
        if not self._images:
            return None
        if self.paired:
            for image in reversed(list(self._images)):
                depth = self._partner(image)
                if depth is not None:
                    while self._images.popleft() is not image:
                        pass
                    self._depths.remove(depth)
                    return image.message, depth.message
            if time.monotonic() - self._images[0].at < PATIENCE:
                return None
        image = self._images.pop()
        self._images.clear()
        return image.message, None

    def _partner(self, image: Arrival) -> Arrival | None:
        """Return the depth with the nearest stamp, as soon as no nearer one can arrive."""
        nearest = min(self._depths, key=lambda depth: abs(depth.stamp - image.stamp), default=None)
        if nearest is None or abs(nearest.stamp - image.stamp) > TOLERANCE * BILLION:
            return None
        newest_stamp = max(depth.stamp for depth in self._depths)
        return nearest if newest_stamp >= image.stamp - SAME_TIME else None
