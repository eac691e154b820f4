"""The page with a scrubber: one recording or run, or two side by side."""

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
    """openers: each opens a recording; called again for every survey, which reads on its own."""

    def __init__(self, openers: Sequence[Callable[[], Recorded]]) -> None:
        self.openers = list(openers)
        self.recorded = [one() for one in self.openers]
        self._surveys: dict[tuple[int, str], Survey] = {}
        self._lock = threading.Lock()

    @property
    def gets(self) -> dict[str, Route]:
        """Routes by path."""
        return {"/about": self._about, "/moment": self._moment, "/survey": self._survey}

    def close(self) -> None:
        """Stop the surveys and release the files."""
        for survey in self._surveys.values():
            survey.stopped.set()
        for survey in self._surveys.values():
            survey.join(timeout=2)
        for one in self.recorded:
            one.close()

    def _about(self, _query: Mapping[str, Any]) -> Answer:
        return as_json({"runs": [one.about() for one in self.recorded], "palette": colours()})

    def _which(self, query: Mapping[str, Any]) -> tuple[int, Recorded]:
        place = number(query, "run", 0, len(self.recorded) - 1, 0)
        return place, self.recorded[place]

    def _moment(self, query: Mapping[str, Any]) -> Answer:
        """run=N&at=PLACE&layer=KIND; a frame that is broken is told as {"problem"}."""
        _, recorded = self._which(query)
        wanted = str(query.get("layer"))
        kind = wanted if wanted in recorded.kinds else next(iter(recorded.kinds), "")
        try:
            moment = recorded.moment(number(query, "at", 0, len(recorded.stamps) - 1))
            return Answer(moment.packed((kind,) if kind else (), depth=wanted == "depth"))
        except FrameError as problem:
            return as_json({"problem": str(problem)})

    def _survey(self, query: Mapping[str, Any]) -> Answer:
        """run=N&layer=KIND&from=ROW: the rows that are known from there on."""
        place, recorded = self._which(query)
        kind = str(query.get("layer") or "")
        if kind and kind not in recorded.kinds:
            raise Refused("there are no such masks")
        with self._lock:
            if (place, kind) not in self._surveys:
                survey = self._surveys[place, kind] = Survey(self.openers[place](), kind)
                survey.start()
        survey = self._surveys[place, kind]
        done = survey.done  # before the rows: none may come after
        rows = survey.rows[number(query, "from", 0, 2**53, 0) :]
        return as_json({"rows": rows, "done": done, "of": len(recorded.stamps)})
