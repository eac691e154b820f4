"""youtube_vis.json: YouTube-VIS, an annotation for each id with its run-length masks over all frames."""

from __future__ import annotations

from pathlib import Path

from streamseg.files import written
from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.pictures import picture_of
from streamseg.sinks.encoding.rle import Mask, masks, singular
from streamseg.text import to_json

OUTPUT = "youtube_vis.json"
ONE_KIND = True


def open(folder: Path, run: Run) -> YouTubeVisFile:
    """Write `folder`/youtube_vis.json."""
    return YouTubeVisFile(folder, run)


class YouTubeVisFile(Sink):
    """Writes the file at the end, because it lists the masks by id. Until then they are kept as run lengths, about 2 kB
    each."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder, self.path, self.run = folder, run.new_file(folder, OUTPUT), run
        self.names: list[str] = []
        self.size = [0, 0]
        self.tracks: dict[int, dict[int, Mask]] = {}
        self.scores: dict[int, list[float]] = {}

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        labels = segmentation.mask(self.run.masks)
        self.size = self.size if self.names else list(labels.shape)
        for mask in masks(labels):
            self.tracks.setdefault(mask.id, {})[len(self.names)] = mask
        for i, score in segmentation.scores_of(self.run.masks).items():
            self.scores.setdefault(i, []).append(score)
        self.names.append(picture_of(frame, self.folder, self.run))

    def close(self) -> None:
        if not self.names:
            return
        height, width = self.size
        content = {
            "info": {"description": f"{self.run.masks} of {self.run.title} by streamseg"},
            "videos": [
                {"id": 1, "file_names": self.names, "length": len(self.names), "height": height, "width": width}
            ],
            "categories": [{"id": 1, "name": singular(self.run.masks)}],
            "annotations": [self._annotation(i, self.tracks[i]) for i in sorted(self.tracks)],
        }
        with written(self.path) as temporary:
            temporary.write_bytes(to_json(content))

    def _annotation(self, track: int, by_frame: dict[int, Mask]) -> dict[str, object]:
        masks_or_none = [by_frame.get(index) for index in range(len(self.names))]
        height, width = self.size
        scores = self.scores.get(track, [])
        return {
            "id": track, "video_id": 1, "category_id": 1, "iscrowd": 0, "height": height, "width": width,
            "segmentations": [mask and mask.rle for mask in masks_or_none],
            "bboxes": [mask and mask.box for mask in masks_or_none],
            "areas": [mask and mask.area for mask in masks_or_none],
        } | ({"score": sum(scores) / len(scores)} if scores else {})  # fmt: skip
