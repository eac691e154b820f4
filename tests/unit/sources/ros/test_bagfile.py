"""Damaged bags: readable messages are read, the others are counted, and a bag that cannot be opened is an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.errors import FrameError, SourceError
from streamseg.sources import Recording, open_source
from tests.unit.sources.bags import Writer, write_tum_like

SECOND = 10**9
LZ4 = b"\x04\x22\x4d\x18"  # the first bytes of an LZ4 frame


def test_a_damaged_chunk_costs_its_frames_alone(tmp_path: Path, make: Any) -> None:
    out = Writer(tmp_path / "r.bag", "bag", compressed=True)
    for i in range(60):
        out.image("/c", (100 + i) * SECOND, np.ascontiguousarray(np.tile(make.texture(i), (4, 4, 1))), "rgb8")
    path = out.close()
    chunks = path.read_bytes().split(LZ4)
    assert len(chunks) > 3
    path.write_bytes(LZ4.join((chunks[0], chunks[1])) + bytes(4) + LZ4.join(chunks[2:]))
    source = open_source(str(path))
    assert isinstance(source, Recording)
    assert 40 < len(source) < 60
    assert source.name_of(0) == "100.000000"
    assert source.name_of(len(source) - 1) == "159.000000"
    assert [source[i].name for i in range(len(source))] == [source.name_of(i) for i in range(len(source))]
    assert len(source) + len(source.skipped) == 60
    assert {skip.reason for skip in source.skipped} == {"damaged part of the bag"}


@pytest.mark.parametrize("container", ["bag", "db3", "mcap"])
@pytest.mark.parametrize("part", [slice(4000), slice(-4000, None), slice(None)])
def test_changed_bytes_end_in_words_or_are_counted(container: str, part: slice, tmp_path: Path, make: Any) -> None:
    """tests/unit/sources/test_broken.py has other kinds of damage."""
    frames = [(100 + i / 30, make.texture(i), np.full(make.size, 1, np.float32)) for i in range(6)]
    path = write_tum_like(tmp_path / "r.bag", frames, container)
    random = np.random.default_rng(0)
    changed = np.frombuffer(path.read_bytes(), np.uint8).copy()
    changed[part][random.integers(0, len(changed[part]), 60)] ^= random.integers(1, 256, 60).astype(np.uint8)
    path.write_bytes(changed.tobytes())
    source, said = attempted(lambda: open_source(str(path)))
    if source is None:
        assert str(path) in said
        return
    assert isinstance(source, Recording)
    assert len(source) <= 6
    for i in range(len(source)):
        frame, said = attempted(partial(source.__getitem__, i))
        assert said if frame is None else frame.depth is None or frame.depth.shape == frame.rgb.shape[:2]


def attempted(what: Callable[[], Any]) -> tuple[Any, str]:
    """Return the result, or None and the message of a known error. Any other error is a bug, and is raised."""
    try:
        return what(), ""
    except (SourceError, FrameError) as problem:
        return None, str(problem)
