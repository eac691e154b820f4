"""The page with a scrubber, for one recording or run, or two side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamseg.errors import FrameError
from streamseg.viewing.live import colours
from streamseg.viewing.recorded import Recorded
from streamseg.viewing.server import Answer, Refused, Route, as_json, number
from streamseg.viewing.survey import Survey


class Playback:
    """Answers the requests of the page. openers: each opens a recording; they are called again for every survey, which
    needs a recording of its own."""

    def __init__(self, openers: Sequence[Callable[[], Recorded]]) -> None:
        self.openers = list(openers)
        self.recorded = [opener() for opener in self.openers]
        self._surveys: dict[tuple[int, str], Survey] = {}
        self._lock = threading.Lock()

    @property
    def gets(self) -> dict[str, Route]:
        """Routes of GET by path."""
        return {"/about": self._about, "/moment": self._moment, "/survey": self._survey}

    def close(self) -> None:
        """Stop the surveys and release the files."""
        for survey in self._surveys.values():
            survey.stopped.set()
        for survey in self._surveys.values():
            survey.join(timeout=2)
        for recorded in self.recorded:
            recorded.close()

    def _about(self, _query: Mapping[str, Any]) -> Answer:
        return as_json({"runs": [recorded.about() for recorded in self.recorded], "palette": colours()})

    def _run_of(self, query: Mapping[str, Any]) -> int:
        """Return the number of the run, 0 or 1, of a request."""
        return number(query, "run", 0, len(self.recorded) - 1, 0)

    def _moment(self, query: Mapping[str, Any]) -> Answer:
        """Answer run=N&at=PLACE&layer=KIND with a frame, or with {"problem"} if it is broken."""
        recorded = self.recorded[self._run_of(query)]
        layer = str(query.get("layer"))
        kind = layer if layer in recorded.kinds else next(iter(recorded.kinds), "")
        try:
            moment = recorded.moment(number(query, "at", 0, len(recorded.entries) - 1))
            return Answer(moment.packed((kind,) if kind else (), depth=layer == "depth"))
        except FrameError as problem:
            return as_json({"problem": str(problem)})

    def _survey(self, query: Mapping[str, Any]) -> Answer:
        """Answer run=N&layer=KIND&from=ROW with the rows of the survey so far, from this row on."""
        run = self._run_of(query)
        recorded = self.recorded[run]
        kind = str(query.get("layer") or "")
        if kind and kind not in recorded.kinds:
            raise Refused("there are no such masks")
        with self._lock:
            if (run, kind) not in self._surveys:
                self._surveys[run, kind] = Survey(self.openers[run](), kind)
                self._surveys[run, kind].start()
        survey = self._surveys[run, kind]
        done = survey.done  # read it before the rows, which are complete only if it is True
        rows = survey.rows[number(query, "from", 0, 2**53, 0) :]
        return as_json({"rows": rows, "done": done, "of": len(recorded.entries)})
