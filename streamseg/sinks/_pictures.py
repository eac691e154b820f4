"""Where the picture of a frame lies, seen from the output folder: annotation files point at pictures that exist."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from streamseg.files import safe_name, written
from streamseg.frame import Frame
from streamseg.sinks import Run

FOLDER = "images"
QUALITY = 95
"""Of the pictures that are written, JPEG."""


def picture_of(frame: Frame, folder: Path, run: Run) -> str:
    """The source's own file, relative where possible; or, of a video or a camera, one that is written into images/,
    once for all sinks of a run."""
    if frame.file is not None:
        try:
            return Path(os.path.relpath(frame.file, folder)).as_posix()
        except ValueError:  # on another drive
            return frame.file.absolute().as_posix()
    known = run.pictures.get(frame.index)
    if known is not None:
        return known
    name = f"{FOLDER}/{safe_name(frame.name)}.jpg"
    if name in run.pictures.values():
        name = f"{FOLDER}/{safe_name(frame.name)}-{len(run.pictures) + 1}.jpg"
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(frame.rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    with written(run.new_file(folder, name)) as temporary:
        temporary.write_bytes(data.tobytes())
    run.pictures[frame.index] = name
    return name
