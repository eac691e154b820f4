"""Holds the networks of a session, one for each input size, and closes those that were not used for long."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamseg.backbones import Backbone

Size = tuple[int, int]
CAPACITY = 4
"""Number of networks that stay open. Photographs have a few sizes, a stream has one."""


class BackbonePool:
    """A cache of open networks, safe in several threads. open: opens the backbone for a network size (H, W)."""

    def __init__(self, open: Callable[[Size], Backbone], capacity: int = CAPACITY) -> None:
        self._open, self._capacity = open, capacity
        self._opened: OrderedDict[Size, Backbone] = OrderedDict()  # the longest unused one first
        self._users: Counter[Backbone] = Counter()
        self._retired: set[Backbone] = set()  # to be closed by their last user
        self._lock = threading.RLock()

    @property
    def backbones(self) -> list[Backbone]:
        """The open networks, the longest unused one first."""
        with self._lock:
            return list(self._opened.values())

    def get(self, size: Size) -> Backbone:
        """Return the network for `size`. It may be closed after CAPACITY others were requested: see `lease`."""
        with self._lock:
            if size not in self._opened:
                self._opened[size] = self._open(size)
                while len(self._opened) > self._capacity:
                    self._retire(self._opened.popitem(last=False)[1])
            self._opened.move_to_end(size)
            return self._opened[size]

    @contextmanager
    def lease(self, size: Size) -> Iterator[Backbone]:
        """Return the network for `size` in a context in which it stays open."""
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
        """Close all networks; those in use are closed by their last user."""
        with self._lock:
            while self._opened:
                self._retire(self._opened.popitem()[1])

    def _retire(self, backbone: Backbone) -> None:
        """Close a network as soon as it is not in use."""
        self._retired.add(backbone)
        if not self._users[backbone]:
            self._close(backbone)

    def _close(self, backbone: Backbone) -> None:
        self._retired.discard(backbone)
        del self._users[backbone]
        backbone.close()
