"""Recordings of every format with eleven kinds of damage: an error, or intact frames; missing ones are reported."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from streamseg.errors import FrameError, SourceError
from streamseg.sources import Recording, open_source
from tests.unit.sources.breaking import BREAKS, break_one
from tests.unit.sources.recordings import SMALL, build

Sums = dict[str, tuple[int, int | None]]


class Intact(NamedTuple):
    """An intact recording. start: the path in `folder` to open. frames: checksums of colour and depth, by name."""

    kind: str
    folder: Path
    start: str
    frames: Sums
    notes: tuple[str, ...]


def sums(source: Recording) -> tuple[Sums, int]:
    """Return the checksums of each readable frame, and how many frames are not readable."""
    found: Sums = {}
    failed = 0
    for i in range(len(source)):
        try:
            frame = source[i]
        except FrameError:
            failed += 1
            continue
        depth = None if frame.depth is None else zlib.crc32(np.ascontiguousarray(frame.depth))
        assert depth is not None or frame.load_depth is None or frame.depth_problem
        found[frame.name] = zlib.crc32(np.ascontiguousarray(frame.rgb)), depth
    return found, failed


@pytest.fixture(scope="module")
def intact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make: Any) -> Intact:
    folder = tmp_path_factory.mktemp(request.param)
    start = build(request.param, folder, make)
    with open_source(start) as source:
        assert isinstance(source, Recording)
        frames, failed = sums(source)
        assert not failed
        return Intact(request.param, folder, str(Path(start).relative_to(folder)), frames, source.notes)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("intact", SMALL, indirect=True)
def test_broken_recordings_end_in_words_or_are_counted(intact: Intact, tmp_path: Path) -> None:
    wrong = []
    unlisted = intact.kind == "images"  # nothing has the number of frames
    for number, way in enumerate(BREAKS[:-1] if unlisted else BREAKS):
        folder = tmp_path / way.__name__
        shutil.copytree(intact.folder, folder)
        try:
            broken = break_one(folder / intact.start, number, zlib.crc32(intact.start.encode()))
            wrong += [f"{way.__name__} {broken.name}: {one}" for one in faults(intact, folder / intact.start)]
        except Exception as problem:
            wrong.append(f"{way.__name__}: {problem!r}")
        shutil.rmtree(folder)
    assert not wrong


def faults(intact: Intact, start: Path) -> list[str]:
    """Return what is wrong with a broken copy of a recording without being reported. start: the path that is opened."""
    try:
        source = open_source(str(start))
    except SourceError:
        return []
    assert isinstance(source, Recording)
    with source:
        found, failed = sums(source)
        told = len(source.skipped) + len(set(source.notes) - set(intact.notes))
    originals = set(intact.frames.values())
    pictures = {rgb for rgb, _ in originals}
    wrong = [f"another picture {name}" for name, (rgb, _) in found.items() if rgb not in pictures]
    if source.notes == intact.notes:
        wrong += [f"another depth {name}" for name, one in found.items() if one[1] is not None and one not in originals]
    if len(found) + failed < len(intact.frames) and not told:
        wrong.append(f"{len(found)} of {len(intact.frames)} frames, and nothing is said")
    return wrong
