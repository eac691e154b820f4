"""Recordings whose annotations are the objects that `streamseg run --quality high` finds in them.

The objects are found once, before the first step, and written beside the checkpoints, so that a resumed run and every
device use the same masks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.config import SegmenterConfig
from streamseg.errors import SourceError
from streamseg.files import written
from streamseg.frame import Frame
from streamseg.runtime.frames import segmented
from streamseg.runtime.session import open_segmenter
from streamseg.sinks.encoding.indexed import indexed_png
from streamseg.sources import Recording, read_mask
from train.data.fingerprint import fingerprint
from train.folder import remove_objects

FOLDER, DESCRIPTION_FILE = "objects", "objects.json"
"""Folder of the masks in the output folder, and the file that says what they were made with."""


class OwnObjects(Recording):
    """The recording `inner` with the masks in `folder`, one PNG per frame, as annotations."""

    def __init__(self, inner: Recording, folder: Path) -> None:
        self.inner, self.folder = inner, folder
        self.uri, self.kind, self.fps = inner.uri, inner.kind, inner.fps
        self.skipped, self.notes = inner.skipped, inner.notes

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Frame:
        frame, path = self.inner[index], _mask_file(self.folder, index)
        return replace(frame, load_annotation=partial(read_mask, path) if path.is_file() else None)

    def reduced(self, index: int, least: int) -> np.ndarray:
        return self.inner.reduced(index, least)

    def name_of(self, index: int) -> str:
        return self.inner.name_of(index)

    def close(self) -> None:
        self.inner.close()


def with_own_objects(
    recordings: Sequence[Recording],
    config: SegmenterConfig,
    weights: str,
    output: Path,
    rank_zero: bool,
    say: Callable[[str], None],
) -> list[Recording]:
    """Return `recordings` with the objects that `config` finds in them as annotations.

    The masks are in `output`/objects. weights: SHA-256 of the network's weights. rank_zero: whether this process finds
    the objects; the others wait for it. Raises SourceError if no recording has an object.
    """
    folder, description_file = output / FOLDER, output / DESCRIPTION_FILE
    wanted = {"config": repr(config), "weights": weights, "data": fingerprint(recordings)}
    description = _read(description_file)
    while not wanted.items() <= description.items():
        if rank_zero:
            remove_objects(output)
            content = wanted | _find(recordings, config, folder, say)
            with written(description_file) as temporary:
                temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")
        else:
            time.sleep(0.5)
        description = _read(description_file)
    if not any(description["frames_with_objects"]):
        raise SourceError("no object was found in any recording", "give others, in which something stands out")
    return [OwnObjects(recording, folder / str(number)) for number, recording in enumerate(recordings)]


def _find(
    recordings: Sequence[Recording], config: SegmenterConfig, folder: Path, say: Callable[[str], None]
) -> dict[str, list[int]]:
    """Write the masks; return for each recording the number of masks, and how many of them contain objects."""
    frames, counts = [], []
    with open_segmenter(config, streams=0) as segmenter:
        for number, recording in enumerate(recordings):
            say(f"finding the objects of {recording.uri}: {number + 1} of {len(recordings)}")
            segmenter.reset()
            (folder / str(number)).mkdir(parents=True, exist_ok=True)
            frames.append(0)
            counts.append(0)
            with closing(segmented(recording, segmenter)) as pairs:
                for frame, segmentation in pairs:
                    objects = segmentation.objects
                    assert objects is not None  # the config asks for them
                    with written(_mask_file(folder / str(number), frame.index)) as temporary:
                        temporary.write_bytes(indexed_png(objects))
                    frames[-1] += 1
                    counts[-1] += bool(np.any(objects))
    return {"frames": frames, "frames_with_objects": counts}


def _mask_file(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.png"


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    except (OSError, ValueError):
        return {}
