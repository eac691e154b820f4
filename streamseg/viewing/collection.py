"""The page of a batch: a table of its recordings, with a link to the page of each run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from streamseg.errors import StreamsegError
from streamseg.viewing.playback import Playback
from streamseg.viewing.recorded import Recorded
from streamseg.viewing.server import Answer, Refused, Route, as_json

MAX_OPEN = 4
"""Number of recordings that stay open, for pages in several tabs."""
DONE = "done"


class Collection:
    """Answers the requests of the page of a batch.

    title: of the page. rows: the cells of each recording, {"name", "status", ...}. opener: opens the run with a name.
    """

    def __init__(self, title: str, rows: Sequence[Mapping[str, Any]], opener: Callable[[str], Recorded]) -> None:
        self.title, self.rows, self.opener = title, [dict(row) for row in rows], opener
        self._done = {row["name"] for row in self.rows if row["status"] == DONE}
        self._opened: OrderedDict[str, Playback] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def gets(self) -> dict[str, Route]:
        """Routes of GET by path. Those of a run take its name as the parameter `of`."""
        return {
            "/recordings": lambda _: as_json({"title": self.title, "rows": self.rows}),
            **{path: partial(self._forward, path) for path in ("/about", "/moment", "/survey")},
        }

    def close(self) -> None:
        """Close all runs that are open."""
        with self._lock:
            for playback in self._opened.values():
                playback.close()
            self._opened.clear()

    def _forward(self, path: str, query: Mapping[str, Any]) -> Answer:
        return self._playback(str(query.get("of"))).gets[path](query)

    def _playback(self, name: str) -> Playback:
        if name not in self._done:  # so that only names from the index are used as paths
            raise Refused("there is no such recording, or it is not done")
        with self._lock:
            if name not in self._opened:
                try:
                    self._opened[name] = Playback([partial(self.opener, name)])
                except StreamsegError as problem:
                    raise Refused(problem.message) from None
            self._opened.move_to_end(name)
            while len(self._opened) > MAX_OPEN:
                self._opened.popitem(last=False)[1].close()
            return self._opened[name]
