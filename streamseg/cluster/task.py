"""The task of a worker: one recording, its settings and its output."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.config import RunConfig
from streamseg.files import MANIFEST, sha256_of
from streamseg.runtime.index import Entry
from streamseg.runtime.repeat import settings_of
from streamseg.sources import split_kind, split_part
from streamseg.sources.reading.files import IMAGE_SUFFIXES
from streamseg.sources.reading.left_out import BAGS
from streamseg.sources.reading.video import VIDEOS
from streamseg.text import to_json

SIZED = 16
"""Files of a folder whose sizes are compared; those of all would take long where a disk is far away."""
TRUTH = frozenset(
    {"masks", "mask", "segm", "segmentation", "segmentations", "annotations", "labels", "groundtruth", "gt"}
)
"""Names of folders with ground truth, which does not change the masks of a run."""


@dataclass(frozen=True)
class Task:
    """A recording to segment into the folder `name` below `output`, a path or a URL.

    job: the settings of `streamseg run`, without an output. overwrite: replace results of other settings. attempt: from
    1; an attempt counts only if its worker died.
    """

    name: str
    job: RunConfig
    output: str
    overwrite: bool = False
    attempt: int = 1

    def next_attempt(self) -> Task:
        """Return the task of the next attempt."""
        return replace(self, attempt=self.attempt + 1)

    def entry(self, status: str, **facts: Any) -> Entry:
        """Return an entry of the index about this recording."""
        return Entry(self.name, self.job.source, status, attempts=self.attempt, **facts)


def output_settings(job: RunConfig) -> dict[str, Any]:
    """Return everything that the output of `job` depends on, except its source, in the types that JSON has: its
    settings, and the SHA-256 of model files of the user."""
    settings = settings_of(job)
    spec = job.extractor.spec
    files = {path: sha256_of(Path(path)) for path in (spec.model, spec.weights) if path and Path(path).is_file()}
    result: dict[str, Any] = json.loads(to_json({**settings, "source": "", "files": files}))
    return result


def same_settings(content: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the run of a run.json, `content`, had the settings `wanted`, see `output_settings`."""
    settings = dict(content.get("settings") or {}) | {"source": ""}
    files = (content.get("batch") or {}).get("files", wanted["files"])
    return settings | {"files": files} == dict(wanted)


def bytes_of(source: str) -> int | None:
    """Return the size of a recording that is one local file; None for any other, whose size takes long to find out."""
    path, part = split_part(split_kind(source)[1])
    path = os.path.expanduser(path)
    return os.path.getsize(path) if not part and os.path.isfile(path) else None


def digest_of(source: str) -> str | None:
    """Return a hash of a recording that is one local folder: of the names of all its pictures, depth files, videos and
    bags, and of the sizes of SIZED of them. Ground truth may be added. None for any other recording, or no such file.
    """
    path, part = split_part(split_kind(source)[1])
    files = [] if part else sorted(_files_of_frames(os.path.expanduser(path)))
    digest = hashlib.sha256("\0".join(name for name, _ in files).encode(errors="surrogateescape"))
    for number in np.unique(np.linspace(0, max(len(files) - 1, 0), min(SIZED, len(files))).astype(int)):
        with suppress(OSError):  # a link that leads nowhere
            digest.update(b"%d " % os.path.getsize(files[number][1]))
    return digest.hexdigest()[:16] if files else None


def _files_of_frames(folder: str) -> Iterator[tuple[str, str]]:
    """Yield (relative name, path) of the files from which frames may be read; none if there is no such folder."""
    for inside, folders, names in os.walk(folder):
        if inside != folder and MANIFEST in names:  # results of a run
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] != "." and name.lower() not in TRUTH]
        for name in names:
            is_frame = (
                name.lower().endswith((*IMAGE_SUFFIXES, ".npy")) or VIDEOS.fullmatch(name) or BAGS.fullmatch(name)
            )
            if is_frame and name[0] != ".":
                yield os.path.join(os.path.relpath(inside, folder), name), os.path.join(inside, name)


def same_recording(content: Mapping[str, Any], source: str) -> bool:
    """Whether the recording at `source` is the one of its run.json, `content`, as far as its size or files tell."""
    about = content.get("batch") or {}
    size, digest = about.get("bytes"), about.get("digest")  # an older version wrote no digest
    same_size = size is None or bytes_of(source) in (None, size)
    return same_size and (digest is None or digest_of(source) in (None, digest))


def host_name() -> str:
    """Return the name of this machine, without its domain."""
    return socket.gethostname().partition(".")[0] or "host"
