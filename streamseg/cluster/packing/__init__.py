"""`streamseg data pack`: recordings into tar shards with an index, for training on more frames than a folder serves.

Each shard is made by itself, in one of several processes, and is there whole or not at all: a run that was stopped goes
on where it was.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.cluster.naming import folder_names
from streamseg.cluster.packing.shard import Packed, Wish, pack_shard
from streamseg.errors import OutputError, SourceError
from streamseg.files import locked, written
from streamseg.sources import expansion
from streamseg.sources.reading.shard_index import FRAME, FRAMES, NAMES, RECORDING, RECORDINGS, shard_name
from streamseg.text import to_json

PARTS, SETTINGS = ".parts", "pack.json"


def pack(
    sources: Sequence[str],
    folder: Path,
    wish: Wish,
    per_shard: int,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Pack all recordings that `sources` name into `folder`; returns what pack.json says.

    per_shard: recordings in a shard. workers: processes. progress: called with the shards done and all of them.
    Raises StreamsegError; recordings that cannot be read are left out and named.
    """
    uris = expansion.expand(sources)
    names = folder_names(uris)
    settings = {
        "sources": uris,
        "side": wish.side,
        "quality": wish.jpeg_quality,
        "every": wish.every,
        "per_shard": per_shard,
    }
    groups = [list(zip(names, uris))[at : at + per_shard] for at in range(0, len(uris), per_shard)]
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if (folder / SETTINGS).is_file():
                return _finished(folder, settings)
            _same_or_new(folder, settings)
            for number, done in enumerate(_made(groups, folder, wish, workers)):
                progress(number + 1, len(groups))
                del done
            content = settings | _join(folder, len(groups))
            with written(folder / SETTINGS) as temporary:
                temporary.write_bytes(to_json(content, indent=2) + b"\n")
            shutil.rmtree(folder / PARTS, ignore_errors=True)
            return content
    except OSError as problem:
        said = f"cannot write into {str(folder)!r}: {problem.strerror or problem}"
        raise OutputError(said, "make room and run it again, or choose another -o") from problem


def _made(groups: Sequence[list[tuple[str, str]]], folder: Path, wish: Wish, workers: int) -> Iterator[None]:
    """Make every shard that is not there, `workers` at a time."""
    jobs = [(number, group) for number, group in enumerate(groups) if not _part(folder, number).is_file()]
    yield from [None] * (len(groups) - len(jobs))
    make = partial(_make, folder, wish)
    if workers < 2 or len(jobs) < 2:
        yield from map(make, jobs)
        return
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(jobs)), context, _one_thread))
        stack.callback(pool.shutdown, cancel_futures=True)
        yield from pool.map(make, jobs)


def _make(folder: Path, wish: Wish, job: tuple[int, list[tuple[str, str]]]) -> None:
    number, group = job
    with written(folder / shard_name(number)) as temporary:
        packed = pack_shard(group, temporary, number, wish)
    with written(_part(folder, number).with_suffix(".npy")) as temporary:
        np.save(temporary, packed.frames)
    with written(_part(folder, number)) as temporary:  # last: it says that all is there
        temporary.write_bytes(to_json({"recordings": packed.recordings, "left_out": packed.left_out}))


def _part(folder: Path, number: int) -> Path:
    return folder / PARTS / f"{number:06d}.json"


def _join(folder: Path, count: int) -> dict[str, Any]:
    """Write the index of all shards; returns counts and what was left out."""
    parts: list[Packed] = []
    for number in range(count):
        said = json.loads(_part(folder, number).read_bytes())
        frames = np.load(_part(folder, number).with_suffix(".npy"))
        parts.append(Packed(frames, said["recordings"], said["left_out"]))
    rows = [one for part in parts for one in part.recordings]
    left_out = {name: reason for part in parts for name, reason in part.left_out.items()}
    if not rows:
        raise SourceError(f"no recording could be packed: {next(iter(left_out.values()))}", "check the recordings")
    recordings, names, at, first = np.zeros(len(rows), RECORDING), bytearray(), 0, 0
    for number, one in enumerate(rows):
        name, source = (one[key].encode("utf-8", errors="surrogateescape") for key in ("name", "source"))
        recordings[number] = (first, one["frames"], at, len(name), len(source), one["fps"])
        names += name + source
        at, first = len(names), first + one["frames"]
    with written(folder / NAMES) as temporary:
        temporary.write_bytes(bytes(names))
    with written(folder / RECORDINGS) as temporary:
        np.save(temporary, recordings)
    with written(folder / FRAMES) as temporary:
        np.save(temporary, np.concatenate([np.zeros(0, FRAME), *(part.frames for part in parts)]))
    return {"recordings": len(rows), "frames": first, "shards": count, "left_out": left_out}


def _same_or_new(folder: Path, settings: dict[str, Any]) -> None:
    """Parts of a run with other settings are no beginning of this one."""
    path = folder / PARTS / "settings.json"
    wanted = json.loads(to_json(settings))
    if path.is_file() and json.loads(path.read_bytes()) != wanted:
        raise OutputError(f"{str(folder)!r} holds shards of other recordings or settings", "choose another -o")
    with written(path) as temporary:
        temporary.write_bytes(to_json(settings))


def _finished(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / SETTINGS).read_bytes())
    if {key: content.get(key) for key in settings} != json.loads(to_json(settings)):
        raise OutputError(f"{str(folder)!r} holds shards of other recordings or settings", "choose another -o")
    return content


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
