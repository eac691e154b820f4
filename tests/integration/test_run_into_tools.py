"""One run into every other tool's format; a second one replaces it, and only it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

SAVED = ["objects", "dataset", "yolo", "labelstudio", "mots", "ply", "bag", "mcap"]


def test_every_tools_files_are_whole_and_are_replaced(run_json: Any, sample: Path, tmp_path: Path) -> None:
    names = [*SAVED, *(["rerun"] if find_spec("rerun") else [])]
    out = tmp_path / "out"
    flags = "--save", ",".join(names), "--size", "160"
    run_json(sample, out, *flags, "--max-frames", "5")
    (out / "dataset" / "mine.txt").write_text("of the user's own")
    result = run_json(sample, out, *flags, "--max-frames", "3", "--overwrite")
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert found == {*result["written"], "run.json", "dataset/mine.txt"}
    assert any("polygon" in note for note in result["notes"])
    coco = COCO(str(out / "dataset" / "annotations.json"))
    assert len(coco.imgs) == 3
    for image in coco.imgs.values():
        labels = np.zeros((image["height"], image["width"]), np.uint8)
        for one in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            labels[coco.annToMask(one) > 0] = one["track_id"]
        png = out / "objects" / Path(image["file_name"]).with_suffix(".png").name
        assert np.array_equal(labels, np.array(Image.open(png)))
