"""Protocols score objects exactly as the evaluation of a benchmark does. Each module of this package is one protocol.

The name of the module is the value of `--protocol`. A module defines `open() -> Protocol` and FIGURES, {name: Figure}.
If some sequences have no figures, NEEDS says what a sequence needs. Figures are 0 ... 1; decays may be negative.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamseg import plugins
from streamseg.errors import SourceError


class Figure(NamedTuple):
    """A figure of a protocol. head: title of its column. meaning: a line of text."""

    head: str
    meaning: str


class Protocol(ABC):
    """Takes the annotated frames of one sequence, in order. `figures` may be called at any time."""

    @abstractmethod
    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        """Add one frame.

        objects: (H, W) integer ids, 0 = none. truth: (H, W), 0 = background, VOID = not counted. scores: {id: 0 ... 1};
        ids may lack one.
        """

    @abstractmethod
    def figures(self) -> dict[str, float | None]:
        """Return all FIGURES of the module; a figure that is not defined is None."""

    @property
    @abstractmethod
    def weight(self) -> int:
        """The weight of the sequence in a mean over sequences."""


def kinds() -> dict[str, str]:
    """Return the names of all protocols, with their one-line descriptions."""
    return plugins.describe(__file__, offers="open")


def figures_of(name: str) -> dict[str, Figure]:
    """Return the FIGURES of the protocol `name`; {} for "". Raises SourceError for an unknown name."""
    if not name:
        return {}
    if name not in kinds():
        raise SourceError(f"no protocol is called {name!r}", plugins.did_you_mean(name, kinds()))
    figures: dict[str, Figure] = plugins.load(__name__, name).FIGURES
    return figures


def needs_of(name: str) -> str:
    """Return what a sequence needs to have the figures of a protocol; "" = one frame is enough."""
    return getattr(plugins.load(__name__, name), "NEEDS", "")


def open_protocol(name: str) -> Protocol:
    """Return a new protocol, for one sequence. Raises SourceError for an unknown name."""
    figures_of(name)
    protocol: Protocol = plugins.load(__name__, name).open()
    return protocol
