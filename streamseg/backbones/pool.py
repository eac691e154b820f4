"""The networks of a session, one for each input size, opened when first used and closed when long unused."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamseg.backbones import Backbone

Size = tuple[int, int]
KEPT = 4
"""Networks kept open: recordings of photographs mix a few sizes; a stream has one."""


class BackbonePool:
    """Thread-safe. open: gives the backbone for a network size (H, W); asked once while that size is kept."""

    def __init__(self, open: Callable[[Size], Backbone], kept: int = KEPT) -> None:
        self._open, self._kept = open, kept
        self._known: OrderedDict[Size, Backbone] = OrderedDict()  # the longest unused first
        self._users: Counter[Backbone] = Counter()
        self._retired: set[Backbone] = set()
        self._lock = threading.RLock()

    @property
    def backbones(self) -> list[Backbone]:
        """Those in use, the longest unused first."""
        with self._lock:
            return list(self._known.values())

    def get(self, size: Size) -> Backbone:
        """The network for `size`. It may be closed as soon as `KEPT` others were asked for: see `lease`."""
        with self._lock:
            if size not in self._known:
                self._known[size] = self._open(size)
                while len(self._known) > self._kept:
                    self._retire(self._known.popitem(last=False)[1])
            self._known.move_to_end(size)
            return self._known[size]

    @contextmanager
    def lease(self, size: Size) -> Iterator[Backbone]:
        """The network for `size`, which stays open while inside."""
        with self._lock:
            backbone = self.get(size)
            self._users[backbone] += 1
        try:
            yield backbone
        finally:
            with self._lock:
                self._users[backbone] -= 1
                if backbone in self._retired and not self._users[backbone]:
                    self._close(backbone)

    def close(self) -> None:
        """Close all that nobody uses; the others when their last user is done."""
        with self._lock:
            while self._known:
                self._retire(self._known.popitem()[1])

    def _retire(self, backbone: Backbone) -> None:
        self._retired.add(backbone)
        if not self._users[backbone]:
            self._close(backbone)

    def _close(self, backbone: Backbone) -> None:
        self._retired.discard(backbone)
        del self._users[backbone]
        backbone.close()
