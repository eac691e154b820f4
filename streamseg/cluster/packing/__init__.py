"""`streamseg data pack`: packs recordings into tar shards with an index, for training on very many frames.

Several processes each write one shard at a time, atomically, so that a run that was stopped resumes with the next
shard.
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
from streamseg.cluster.packing.shard import Packed, PackOptions, pack_shard
from streamseg.errors import OutputError, SourceError
from streamseg.files import locked, written
from streamseg.sources import expansion
from streamseg.sources.reading.shard_index import FRAME, FRAMES, NAMES, RECORDING, RECORDINGS, shard_name
from streamseg.text import to_json

PARTS, SETTINGS = ".parts", "pack.json"


def pack(
    sources: Sequence[str],
    folder: Path,
    options: PackOptions,
    per_shard: int,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Pack all recordings in `sources` into `folder`, and return the content of its pack.json.

    per_shard: recordings in a shard. workers: number of processes. progress: called with the number of finished shards
    and of all. A recording that cannot be read, and folders of images beside loose files, are left out; "left_out" has
    the reasons. Raises StreamsegError.
    """
    unused: expansion.LeftOut = {}
    uris = expansion.expand(sources, unused)
    names = folder_names(uris)
    settings = {
        "sources": uris,
        "side": options.side,
        "quality": options.jpeg_quality,
        "every": options.every,
        "per_shard": per_shard,
    }
    groups = [list(zip(names, uris))[at : at + per_shard] for at in range(0, len(uris), per_shard)]
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if (folder / SETTINGS).is_file():
                return _finished_content(folder, settings)
            _record_settings(folder, settings)
            for done in _pack_missing(groups, folder, options, workers):
                progress(done, len(groups))
            content: dict[str, Any] = settings | _write_index(folder, len(groups))
            content["left_out"] |= expansion.unnamed(unused, uris)
            with written(folder / SETTINGS) as temporary:
                temporary.write_bytes(to_json(content, indent=2) + b"\n")
            shutil.rmtree(folder / PARTS, ignore_errors=True)
            return content
    except OSError as problem:
        message = f"cannot write into {str(folder)!r}: {problem.strerror or problem}"
        raise OutputError(message, "make room and run it again, or choose another -o") from problem


def _pack_missing(
    groups: Sequence[list[tuple[str, str]]], folder: Path, options: PackOptions, workers: int
) -> Iterator[int]:
    """Write every shard that does not exist, `workers` at a time. Yield the number of existing shards after each."""
    jobs = [(number, group) for number, group in enumerate(groups) if not _part(folder, number).is_file()]
    existing = len(groups) - len(jobs)
    if existing:
        yield existing
    pack_one = partial(_pack_one, folder, options)
    with ExitStack() as stack:
        if workers < 2 or len(jobs) < 2:
            results: Iterator[None] = map(pack_one, jobs)
        else:
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(jobs)), context, _limit_threads))
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(pack_one, jobs)
        for done, _ in enumerate(results, existing + 1):
            yield done


def _pack_one(folder: Path, options: PackOptions, job: tuple[int, list[tuple[str, str]]]) -> None:
    """Write one shard and its part of the index."""
    number, group = job
    with written(folder / shard_name(number)) as temporary:
        packed = pack_shard(group, temporary, number, options)
    with written(_part(folder, number).with_suffix(".npy")) as temporary:
        np.save(temporary, packed.frames)
    with written(_part(folder, number)) as temporary:  # last, because it marks the shard as finished
        temporary.write_bytes(to_json({"recordings": packed.recordings, "left_out": packed.left_out}))


def _part(folder: Path, number: int) -> Path:
    """Return the file with the recordings of a shard, which exists if the shard is finished."""
    return folder / PARTS / f"{number:06d}.json"


def _write_index(folder: Path, count: int) -> dict[str, Any]:
    """Write the index of all shards. Return counts and what was left out."""
    parts: list[Packed] = []
    for number in range(count):
        part = json.loads(_part(folder, number).read_bytes())
        frames = np.load(_part(folder, number).with_suffix(".npy"))
        parts.append(Packed(frames, part["recordings"], part["left_out"]))
    rows = [recording for part in parts for recording in part.recordings]
    left_out = {name: reason for part in parts for name, reason in part.left_out.items()}
    if not rows:
        raise SourceError(f"no recording could be packed: {next(iter(left_out.values()))}", "check the recordings")
    recordings, names, first_frame = np.zeros(len(rows), RECORDING), bytearray(), 0
    for number, row in enumerate(rows):
        name, source = (row[key].encode("utf-8", errors="surrogateescape") for key in ("name", "source"))
        recordings[number] = (first_frame, row["frames"], len(names), len(name), len(source), row["fps"])
        names += name + source
        first_frame += row["frames"]
    with written(folder / NAMES) as temporary:
        temporary.write_bytes(bytes(names))
    with written(folder / RECORDINGS) as temporary:
        np.save(temporary, recordings)
    with written(folder / FRAMES) as temporary:
        np.save(temporary, np.concatenate([np.zeros(0, FRAME), *(part.frames for part in parts)]))
    return {"recordings": len(rows), "frames": first_frame, "shards": count, "left_out": left_out}


def _record_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a run that begins. Raises OutputError if a stopped run in `folder` has other settings."""
    path = folder / PARTS / "settings.json"
    wanted = json.loads(to_json(settings))
    if path.is_file() and json.loads(path.read_bytes()) != wanted:
        raise OutputError(f"{str(folder)!r} holds shards of other recordings or settings", "choose another -o")
    with written(path) as temporary:
        temporary.write_bytes(to_json(settings))


def _finished_content(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the content of pack.json. Raises OutputError if it was made with other settings."""
    content: dict[str, Any] = json.loads((folder / SETTINGS).read_bytes())
    if {key: content.get(key) for key in settings} != json.loads(to_json(settings)):
        raise OutputError(f"{str(folder)!r} holds shards of other recordings or settings", "choose another -o")
    return content


def _limit_threads() -> None:
    import cv2

    cv2.setNumThreads(1)
