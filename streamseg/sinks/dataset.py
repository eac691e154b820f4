"""dataset/: images/*.jpg and annotations.json (COCO), as CVAT, FiftyOne, supervision and trainers take it.

The folder can be copied elsewhere: it contains every image, even if the source has image files of its own.
"""

from __future__ import annotations

from pathlib import Path

from streamseg.frame import Frame
from streamseg.sinks import Run
from streamseg.sinks.coco import CocoFile
from streamseg.sinks.encoding.pictures import Pictures

OUTPUT = "dataset"
ONE_KIND = True


def open(folder: Path, run: Run) -> CocoFile:
    """Write `folder`/dataset/annotations.json and `folder`/dataset/images/*.jpg.

    `file_name` in the annotations is the name without the folder images/: users give that folder to readers, and CVAT
    compares names only.
    """
    pictures = Pictures(folder, run, OUTPUT)

    def write(frame: Frame) -> str:
        return Path(pictures.write(frame)).name

    return CocoFile(run.new_file(folder, f"{OUTPUT}/annotations.json"), run, write)
