"""Protocols: objects scored exactly as a benchmark's own evaluation does. One file a protocol.

Its name is what `--protocol` takes. A module offers `open() -> Protocol`, and FIGURES: of each figure its column's head
and what it means; NEEDS is what a sequence needs to have figures, where not all do. Figures are shares, 0 ... 1, but
for decays, which may be negative.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamseg import plugins
from streamseg.errors import SourceError


class Figure(NamedTuple):
    """head: of its column. meaning: in words."""

    head: str
    meaning: str


class Protocol(ABC):
    """Takes the annotated frames of one sequence, in order; `figures` may be asked at any time."""

    @abstractmethod
    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        """objects: (H, W) integer ids, 0 = none. truth: (H, W), 0 = background, VOID = not counted. scores: of the
        ids, 0 ... 1, as far as they have one."""

    @abstractmethod
    def figures(self) -> dict[str, float | None]:
        """All of the module's FIGURES; None where one is not defined."""

    @property
    @abstractmethod
    def weight(self) -> int:
        """Of the sequence in a mean over several."""


def kinds() -> dict[str, str]:
    """Every protocol with its one-line description."""
    return plugins.describe(__file__, offers="open")


def figures_of(name: str) -> dict[str, Figure]:
    """What protocol `name` measures; nothing for "". Raises SourceError for an unknown name."""
    if not name:
        return {}
    if name not in kinds():
        raise SourceError(f"no protocol is called {name!r}", plugins.did_you_mean(name, kinds()))
    found: dict[str, Figure] = plugins.load(__name__, name).FIGURES
    return found


def needs_of(name: str) -> str:
    """What a sequence needs to have the figures of a protocol; "" = nothing but a frame."""
    return getattr(plugins.load(__name__, name), "NEEDS", "")


def open_protocol(name: str) -> Protocol:
    """A protocol for one sequence. Raises SourceError for an unknown name."""
    figures_of(name)
    found: Protocol = plugins.load(__name__, name).open()
    return found
