"""What `streamseg eval` was asked for, with every default filled in."""

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
    """setups: of each model, one for each source; of masks alone the model is not run. seeds: how many.

    masks: a folder of masks to be scored, or None. every, max_frames: as in `stream`. protocol: see `protocols`.
    singly: see `scoring.over_seeds`.
    """

    sources: tuple[str, ...]
    setups: dict[str, tuple[SessionConfig, ...]]
    seeds: int = 1
    every: int = 1
    max_frames: int | None = None
    masks: Path | None = None
    protocol: str = ""
    singly: bool = False


def request(sources: Sequence[str], given: dict[str, Any]) -> Request:
    """From the command's flags by name. Raises ModelError for a model that cannot be, before anything is read."""
    rest, sources = dict(given), tuple(dict.fromkeys(sources))
    how = {name: rest.pop(name) for name in ("seeds", "every", "max_frames", "masks")}
    how |= {"protocol": rest.pop("protocol", ""), "singly": rest.pop("singly", False)}
    models = tuple(dict.fromkeys(rest.pop("models")))
    if not models and how["masks"] is None:
        models = (DEFAULT,)
    setups = {}
    for model in models:
        fields = from_flags(rest | {"model": model})
        describe(fields["extractor"].spec)
        setups[model] = tuple(SessionConfig(source, **fields) for source in sources)
    return Request(sources, setups, **how)
