"""annotations.json: COCO with run-length masks; `track_id` is the id that lasts over the sequence."""

from __future__ import annotations

import json
import os
from pathlib import Path

from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink, partial
from streamseg.sinks._rle import masks

OUTPUT = "annotations.json"


def open(folder: Path, run: Run) -> CocoFile:
    """Write `folder`/annotations.json."""
    return CocoFile(folder / OUTPUT, run)


class CocoFile(Sink):
    """Annotations, the bulk, go to the file one by one; images, a line each, are kept until the end."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path, self.run = path, run
        self.images: list[dict[str, object]] = []
        self.count = 0
        # a file name need not be Unicode: what is none is written as \udcXX, which JSON reads back
        self.file = partial(path).open("w", encoding="utf-8", errors="backslashreplace")
        self.file.write('{"annotations": [')

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        height, width = segmentation.regions.shape
        image_id = len(self.images) + 1
        self.images.append({
            "id": image_id, "file_name": frame.name, "height": height, "width": width,
            "video_id": 1, "frame_id": image_id - 1, "timestamp": frame.timestamp,
        })  # fmt: skip
        for mask in masks(segmentation.regions):
            self.file.write(",\n" if self.count else "\n")
            self.count += 1
            annotation = {
                "id": self.count, "image_id": image_id, "category_id": 1, "track_id": mask.id, "iscrowd": 0,
                "segmentation": mask.rle, "area": mask.area, "bbox": mask.box,
            }  # fmt: skip
            self.file.write(json.dumps(annotation))

    def close(self) -> None:
        rest = {
            "info": {"description": f"segments of {self.run.title} by streamseg"},
            "videos": [{"id": 1, "name": self.run.title}],
            "images": self.images,
            "categories": [{"id": 1, "name": "segment"}],
        }
        try:
            with self.file:
                self.file.write("],\n" + json.dumps(rest, ensure_ascii=False)[1:] + "\n")
            os.replace(partial(self.path), self.path)
        finally:
            partial(self.path).unlink(missing_ok=True)
