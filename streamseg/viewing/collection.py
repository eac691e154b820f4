"""The page of a batch: a table of its recordings, each of which leads to the page of its run."""

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

KEPT = 4
"""Recordings that stay open, for pages in several tabs."""
DONE = "done"


class Collection:
    """title: of the page. rows: what the table has of each recording: "name", "status", and more. opener: opens the
    run of a name; see `Playback`."""

    def __init__(self, title: str, rows: Sequence[Mapping[str, Any]], opener: Callable[[str], Recorded]) -> None:
        self.title, self.rows, self.opener = title, [dict(row) for row in rows], opener
        self._done = {row["name"] for row in self.rows if row["status"] == DONE}
        self._opened: OrderedDict[str, Playback] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def gets(self) -> dict[str, Route]:
        """Routes by path; those of a run take its name as `of`."""
        return {
            "/recordings": lambda _: as_json({"title": self.title, "rows": self.rows}),
            **{path: partial(self._of_one, path) for path in ("/about", "/moment", "/survey")},
        }

    def close(self) -> None:
        """Release the files of all that are open."""
        with self._lock:
            for one in self._opened.values():
                one.close()
            self._opened.clear()

    def _of_one(self, path: str, query: Mapping[str, Any]) -> Answer:
        return self._playback(str(query.get("of"))).gets[path](query)

    def _playback(self, name: str) -> Playback:
        if name not in self._done:  # no other name reaches the disk
            raise Refused("there is no such recording, or it is not done")
        with self._lock:
            if name not in self._opened:
                try:
                    self._opened[name] = Playback([partial(self.opener, name)])
                except StreamsegError as problem:
                    raise Refused(problem.message) from None
            self._opened.move_to_end(name)
            while len(self._opened) > KEPT:
                self._opened.popitem(last=False)[1].close()
            return self._opened[name]
