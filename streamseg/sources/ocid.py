"""OCID sequence: seqNN with rgb/, depth/ and label/, or a folder that holds one such sequence

Layout: https://www.acin.tuwien.ac.at/vision-for-robotics/software-tools/object-clutter-indoor-dataset/. In a sequence a
pile grows by one object per frame. Labels are 16-bit ids; those of the floor and the table become background.
"""

from __future__ import annotations

import io
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from streamseg.errors import FrameError
from streamseg.frame import VOID, Intrinsics
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources.reading.cameras import VGA, Given, fitted
from streamseg.sources.reading.depth import Encoding, depth_loaders, first_size
from streamseg.sources.reading.files import (
    Entry,
    FileRecording,
    choose_one,
    has_images,
    images_in,
    require_folder,
    sequences_at,
    sequences_below,
)
from streamseg.sources.reading.images import read_file

PRIORITY = 21
FPS = 1.0  # the frames are stills, one after each new object
CAMERA = Given(Intrinsics(570.34, 570.34, 320.0, 240.0), VGA)
NAME = re.compile(r"result_\d{4}(-\d+){5}")


def recognizes(uri: str) -> bool:
    return os.path.isdir(uri) and bool(sequences_at(Path(uri), _is_sequence))


def expand(uri: str) -> list[str]:
    """Return the sequences of the data set, or of a folder of it."""
    return sequences_below(require_folder(uri, "ocid"), _is_sequence)


def open(uri: str, options: Options) -> FileRecording:
    folder = choose_one(uri, "ocid", sequences_at(require_folder(uri, "ocid"), _is_sequence), "OCID sequence")
    colours = images_in(folder / "rgb")
    depth_files = {path.stem: path for path in images_in(folder / "depth")}
    labels = {path.stem: path for path in images_in(folder / "label")}
    scale = DepthScale.choose(options, 1000.0, "its publishers' scale")
    encoding = Encoding(scale.units_per_metre)
    pairs = [(path, depth_files[path.stem], encoding) for path in colours if path.stem in depth_files]
    depth = depth_loaders(uri, pairs, scale)
    camera = fitted(CAMERA, first_size(colours), "the set's published values")
    background_ids = 2 if "table" in folder.resolve().parts else 1
    entries = [
        Entry(
            path.stem,
            i / FPS,
            path,
            depth.loads.get(path),
            partial(read_label, labels[path.stem], background_ids) if path.stem in labels else None,
            camera.intrinsics,
            depth_problem="" if path in depth.loads else "no depth file",
        )
        for i, path in enumerate(colours)
    ]
    notes = depth.notes if options.intrinsics else (*depth.notes, *camera.notes)
    unpaired = sorted(depth_files.keys() - {path.stem for path in colours})
    skipped = [Skip(name, "depth without colour") for name in unpaired]
    return FileRecording(
        uri, "ocid", entries, options, skipped, fps=FPS, notes=notes, depth_scale=scale if pairs else None
    )


def _is_sequence(folder: Path) -> bool:
    if not all(has_images(folder / name) for name in ("rgb", "depth", "label")):
        return False
    return NAME.fullmatch(images_in(folder / "rgb")[0].stem) is not None


def read_label(path: Path, background_ids: int) -> np.ndarray:
    """Read a label file as (H, W) uint8 ids, 0 = background. Raises FrameError.

    background_ids: how many of the lowest stored ids are background: 1 (the floor) or 2 (the floor and the table).
    """
    try:
        with Image.open(io.BytesIO(read_file(path))) as file:
            ids = np.asarray(file).astype(np.int64)  # a palette image gives its indices
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise FrameError("unreadable mask") from None
    if ids.ndim != 2:
        raise FrameError("label is not one number a pixel")
    objects = np.where(ids > background_ids, ids - background_ids, 0)
    if objects.max() >= VOID:
        raise FrameError("mask has ids above 254")
    return objects.astype(np.uint8)
