"""Recordings for benchmarks: opened and decoded once, with changed frames if required."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import patch

import _empty_scenes
import masks

from streamseg.frame import Frame
from streamseg.runtime import session
from streamseg.sources import LiveSource, Recording, open_source


class Through(Recording):
    """A recording whose frames pass through a function once, and are then kept in memory."""

    def __init__(self, inner: Recording, change: Callable[[Frame], Frame]) -> None:
        for name in ("uri", "kind", "fps", "pixel_aspect", "skipped", "notes"):
            setattr(self, name, getattr(inner, name))
        self.inner, self.change = inner, change
        self._frames: dict[int, Frame] = {}

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Frame:
        if index not in self._frames:
            frame = self.inner[index]
            if frame.load_annotation:
                frame = replace(frame, load_annotation=cache(frame.load_annotation))
            self._frames[index] = self.change(frame)
        return self._frames[index]

    def name_of(self, index: int) -> str:
        return self.inner.name_of(index)


@contextmanager
def kept(change: Callable[[Frame], Frame] = lambda frame: frame) -> Iterator[None]:
    """Inside this context each recording is opened once and stays decoded, with `change` applied to its frames."""

    @cache
    def opened(uri: str, *options: Any) -> Recording | LiveSource:
        source = open_source(uri, *options)
        return Through(source, change) if isinstance(source, Recording) else source

    with (
        patch.object(session, "open_source", opened),
        patch.object(masks, "opened", opened),
        patch.object(_empty_scenes, "open_source", opened),
    ):
        yield
