"""Where the picture of a frame lies, seen from the output folder: annotation files point at pictures that exist."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from streamseg.files import UniqueNames, safe_name, written
from streamseg.frame import Frame
from streamseg.sinks import Run

FOLDER = "images"
QUALITY = 95
"""Of the pictures that are written, JPEG."""


def picture_of(frame: Frame, folder: Path, run: Run) -> str:
    """The source's own file, relative where possible; or, of a video or a camera, one that is written into images/,
    once for all sinks of a run."""
    if frame.file is not None:
        # both resolved: ".." of a folder behind a link is another folder
        file, whole = frame.file.parent.resolve() / frame.file.name, folder.resolve()
        try:
            return Path(os.path.relpath(file, whole)).as_posix()
        except ValueError:  # on another drive
            return file.as_posix()
    known = run.pictures.get(frame.index)
    if known is not None:
        return known
    name = f"{FOLDER}/{safe_name(frame.name)}.jpg"
    if name in run.pictures.values():
        name = f"{FOLDER}/{safe_name(frame.name)}-{len(run.pictures) + 1}.jpg"
    write_jpeg(run.new_file(folder, name), frame.rgb)
    run.pictures[frame.index] = name
    return name


class Pictures:
    """A folder of JPEGs, whatever the source has, so that a data set can be copied elsewhere as it is.

    output: the data set's folder, seen from the output folder `folder`.
    """

    def __init__(self, folder: Path, run: Run, output: str) -> None:
        self.folder, self.run, self.output = folder, run, output
        self._names = UniqueNames()

    def write(self, frame: Frame) -> str:
        """Write the picture; its path below `output`: "images/NAME.jpg"."""
        name = f"{FOLDER}/{self._names(frame.name)}.jpg"
        write_jpeg(self.run.new_file(self.folder, f"{self.output}/{name}"), frame.rgb)
        return name


def jpeg(rgb: np.ndarray, quality: int = QUALITY) -> bytes:
    """(H, W, 3) uint8 RGB -> a JPEG file's bytes."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def write_jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write the picture (H, W, 3) uint8 RGB, whole or not at all."""
    with written(path) as temporary:
        temporary.write_bytes(jpeg(rgb))
