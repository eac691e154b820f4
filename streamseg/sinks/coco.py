"""annotations.json: COCO with run-length masks; `track_id` is the id that lasts over the sequence, `score` an object's.

`file_name` is the path of the image relative to the output folder: the source's own file or, for a video or a camera,
one that is written into images/. `attributes.instance_id` repeats the id for CVAT, which does not import `track_id` of
masks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamseg.files import PartialFile
from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.pictures import picture_of
from streamseg.sinks.encoding.rle import masks, singular
from streamseg.text import to_json

OUTPUT = "annotations.json"
ONE_KIND = True


def open(folder: Path, run: Run) -> CocoFile:
    """Write `folder`/annotations.json."""
    return CocoFile(run.new_file(folder, OUTPUT), run, lambda frame: picture_of(frame, folder, run))


class CocoFile(Sink):
    """Writes each annotation at once, and the list of images, which is short, at the end.

    file_name: returns the path of a frame's image file, as annotations.json should contain it.
    """

    def __init__(self, path: Path, run: Run, file_name: Callable[[Frame], str]) -> None:
        self.run, self.file_name = run, file_name
        self.images: list[dict[str, object]] = []
        self.count = 0
        self.partial = PartialFile(path)
        self.file = self.partial.temporary.open("wb")
        self.file.write(b'{"annotations": [')

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        labels = segmentation.mask(self.run.masks)
        height, width = labels.shape
        image_id = len(self.images) + 1
        self.images.append({
            "id": image_id, "file_name": self.file_name(frame), "height": height, "width": width,
            "video_id": 1, "frame_id": image_id - 1, "timestamp": frame.timestamp,
        })  # fmt: skip
        scores = segmentation.scores_of(self.run.masks)
        for mask in masks(labels):
            self.file.write(b",\n" if self.count else b"\n")
            self.count += 1
            annotation = {
                "id": self.count, "image_id": image_id, "category_id": 1, "iscrowd": 0,
                "segmentation": mask.rle, "area": mask.area, "bbox": mask.box,
                "track_id": mask.id, "attributes": {"track_id": mask.id, "instance_id": mask.id},
            } | ({"score": scores[mask.id]} if mask.id in scores else {})  # fmt: skip
            self.file.write(to_json(annotation))

    def close(self) -> None:
        rest = {
            "info": {"description": f"{self.run.masks} of {self.run.title} by streamseg"},
            "videos": [{"id": 1, "name": self.run.title}],
            "images": self.images,
            "categories": [{"id": 1, "name": singular(self.run.masks)}],
        }
        try:
            with self.file:
                self.file.write(b"],\n" + to_json(rest)[1:] + b"\n")
            self.partial.commit()
        finally:
            self.partial.discard()
