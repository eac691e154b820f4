"""A recording whose annotation is what `streamseg run --quality high` finds in it: its own objects as labels.

The masks are found once, before the first step, and lie beside the checkpoints, so that a resumed run and every device
see the same ones.
"""

from __future__ import annotations

import json
import threading
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
from streamseg.runtime.statistics import Statistics
from streamseg.sinks.encoding.indexed import indexed_png
from streamseg.sources import Recording, read_mask
from train.data.fingerprint import fingerprint
from train.folder import make_room

FOLDER, DONE = "objects", "objects.json"


class OwnObjects(Recording):
    """`inner` with the masks in `folder` as annotation, NUMBER.png each; frames without one have no annotation."""

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
    first: bool,
    say: Callable[[str], None],
) -> list[Recording]:
    """`recordings` with the objects that `config` finds in them, which are kept in `output`/objects.

    weights: the SHA-256 of the network's: a file of the same name may hold others by now. first: whether this process
    finds them; the others wait for it. Raises SourceError where no object is found at all.
    """
    folder, done = output / FOLDER, output / DONE
    asked = {"config": repr(config), "weights": weights, "data": fingerprint(recordings)}
    while not (known := _read(done)) or {name: known.get(name) for name in asked} != asked:
        if first:
            make_room(output)
            content = asked | _find(recordings, config, folder, say)
            with written(done) as temporary:
                temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")
        else:
            time.sleep(0.5)
    if not any(known["frames_with_objects"]):
        raise SourceError("no object was found in any recording", "give others, in which something stands out")
    return [OwnObjects(one, folder / str(number)) for number, one in enumerate(recordings)]


def _find(
    recordings: Sequence[Recording], config: SegmenterConfig, folder: Path, say: Callable[[str], None]
) -> dict[str, list[int]]:
    """Write the masks; returns how many for each recording, and how many of them hold objects."""
    frames, counts = [], []
    with open_segmenter(config, streams=0) as segmenter:
        for number, recording in enumerate(recordings):
            say(f"finding the objects of {recording.uri}: {number + 1} of {len(recordings)}")
            segmenter.reset()
            (folder / str(number)).mkdir(parents=True, exist_ok=True)
            frames.append(0)
            counts.append(0)
            with closing(segmented(recording, segmenter, Statistics(), threading.Event())) as found:
                for frame, segmentation in found:
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
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError):
        return {}
