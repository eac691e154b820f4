"""labelstudio/: images/*.jpg, tasks.json with the masks as predictions, and config.xml, to import in Label Studio.

Label Studio reads the images from its local storage: start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to this folder. The `meta.text` of a brush stroke is its id, which persists
over frames, and its `score` that of the object. The score of a prediction is the mean over its strokes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from streamseg.files import PartialFile, written
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.sinks import Run, Sink
from streamseg.sinks.encoding.brush import brush
from streamseg.sinks.encoding.pictures import Pictures
from streamseg.sinks.encoding.rle import singular
from streamseg.text import to_json

OUTPUT = "labelstudio"
ONE_KIND = True
URL = "/data/local-files/?d="
CONFIG = """<View>
  <Image name="image" value="$image" zoom="true"/>
  <BrushLabels name="mask" toName="image">
    <Label value="{name}" background="#0072B2"/>
  </BrushLabels>
</View>
"""


def open(folder: Path, run: Run) -> LabelStudioFolder:
    """Write below `folder`/labelstudio."""
    return LabelStudioFolder(folder, run)


class LabelStudioFolder(Sink):
    """Writes one task for each frame, at once."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.run, self.name, self.count = run, singular(run.masks), 0
        self.pictures = Pictures(folder, run, OUTPUT)
        with written(run.new_file(folder, f"{OUTPUT}/config.xml")) as temporary:
            temporary.write_text(CONFIG.format(name=self.name), encoding="utf-8")
        self.partial = PartialFile(run.new_file(folder, f"{OUTPUT}/tasks.json"))
        self.file = self.partial.temporary.open("wb")
        self.file.write(b"[")

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        labels = segmentation.mask(self.run.masks)
        url = URL + quote(self.pictures.write(frame), errors="surrogateescape")
        scores = segmentation.scores_of(self.run.masks)
        results = [self._result(i, labels == i, scores.get(i)) for i in np.unique(labels).tolist() if 0 < i < VOID]
        object_scores = [result["score"] for result in results if "score" in result]
        overall = {"score": sum(object_scores) / len(object_scores)} if object_scores else {}
        task = {
            "data": {"image": url, "frame": frame.name, "timestamp": frame.timestamp},
            "predictions": [{"model_version": "streamseg", "result": results, **overall}],
        }
        self.file.write(b",\n" if self.count else b"\n")
        self.file.write(to_json(task))
        self.count += 1

    def _result(self, i: int, mask: np.ndarray, score: float | None) -> dict[str, Any]:
        height, width = mask.shape
        return {
            "id": f"{self.count}-{i}", "type": "brushlabels", "from_name": "mask", "to_name": "image",
            "origin": "prediction",
            "original_width": width, "original_height": height, "image_rotation": 0, "meta": {"text": [f"id {i}"]},
            "value": {"format": "rle", "rle": brush(mask), "brushlabels": [self.name]},
        } | ({} if score is None else {"score": score})  # fmt: skip

    def close(self) -> None:
        try:
            with self.file:
                self.file.write(b"\n]\n")
            self.partial.commit()
        finally:
            self.partial.discard()
