"""dataset/: images/*.jpg and annotations.json (COCO), as CVAT, FiftyOne, supervision and trainers take it.

The folder can be copied elsewhere as it is: every picture is written, also where the source has files of its own.
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
    """Write `folder`/dataset/annotations.json, whose `file_name` are those of `folder`/dataset/images/*.jpg: readers
    are told that folder, and CVAT compares names only."""
    pictures = Pictures(folder, run, OUTPUT)

    def write(frame: Frame) -> str:
        return Path(pictures.write(frame)).name

    return CocoFile(run.new_file(folder, f"{OUTPUT}/annotations.json"), run, write)
