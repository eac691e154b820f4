"""The request of a user of `streamseg eval`, with every default filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamseg.backbones import describe
from streamseg.config import SessionConfig, from_flags

DEFAULT = "efficientnet_lite0"


@dataclass(frozen=True)
class Request:
    """What to score. setups: for each model one for each source, in order; {} if only given masks are scored.

    seeds: number of seeds. masks: a folder of masks to score, or None. every, max_frames: as in `stream`. protocol: see
    `protocols`. singly: see `scoring.over_seeds`.
    """

    sources: tuple[str, ...]
    setups: dict[str, tuple[SessionConfig, ...]]
    seeds: int = 1
    every: int = 1
    max_frames: int | None = None
    masks: Path | None = None
    protocol: str = ""
    singly: bool = False


def request(sources: Sequence[str], flags: dict[str, Any]) -> Request:
    """Return the request for the flags of the command, by name.

    Raises ModelError for a model that does not exist, before any source is read.
    """
    settings, sources = dict(flags), tuple(dict.fromkeys(sources))
    options = {name: settings.pop(name) for name in ("seeds", "every", "max_frames", "masks")}
    options |= {"protocol": settings.pop("protocol", ""), "singly": settings.pop("singly", False)}
    models = tuple(dict.fromkeys(settings.pop("models")))
    if not models and options["masks"] is None:
        models = (DEFAULT,)
    setups = {}
    for model in models:
        fields = from_flags(settings | {"model": model})
        describe(fields["extractor"].spec)
        setups[model] = tuple(SessionConfig(source, **fields) for source in sources)
    return Request(sources, setups, **options)
