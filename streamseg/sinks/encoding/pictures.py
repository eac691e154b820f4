"""Find or write the image files of frames, because annotation files must refer to images that exist."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from streamseg.files import UniqueNames, safe_name, written
from streamseg.frame import Frame
from streamseg.masks.encoding import jpeg
from streamseg.sinks import Run

FOLDER = "images"
QUALITY = 95
"""JPEG quality of the images, 0 ... 100."""


def picture_of(frame: Frame, folder: Path, run: Run) -> str:
    """Return the path of the frame's image file, relative to the output folder `folder` if possible.

    This is the source's own file if it has one. For a video or a camera the image is written into images/, once for all
    sinks of a run.
    """
    if frame.file is not None:
        # resolve both, because ".." behind a symbolic link leads to another folder
        file, output = frame.file.parent.resolve() / frame.file.name, folder.resolve()
        try:
            return Path(os.path.relpath(file, output)).as_posix()
        except ValueError:  # on another drive
            return file.as_posix()
    if frame.index in run.pictures:
        return run.pictures[frame.index]
    name = f"{FOLDER}/{safe_name(frame.name)}.jpg"
    if name in run.pictures.values():
        name = f"{FOLDER}/{safe_name(frame.name)}-{len(run.pictures) + 1}.jpg"
    write_jpeg(run.new_file(folder, name), frame.rgb)
    run.pictures[frame.index] = name
    return name


class Pictures:
    """Writes all frames of a run as JPEGs, even if the source has image files, so that the data set can be copied.

    folder: the output folder of the run. output: the folder of the data set, relative to it.
    """

    def __init__(self, folder: Path, run: Run, output: str) -> None:
        self.folder, self.run, self.output = folder, run, output
        self._names = UniqueNames()

    def write(self, frame: Frame) -> str:
        """Write the image of a frame. Returns its path relative to the data set: "images/NAME.jpg"."""
        name = f"{FOLDER}/{self._names(frame.name)}.jpg"
        write_jpeg(self.run.new_file(self.folder, f"{self.output}/{name}"), frame.rgb)
        return name


def write_jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as a JPEG file, as a whole or not at all."""
    with written(path) as temporary:
        temporary.write_bytes(jpeg(rgb, QUALITY))
