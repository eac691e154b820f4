"""Tasks of Label Studio, decoded by its own library."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest

from .conftest import frame, scene, write


def test_label_studio_reads_pictures_and_masks(tmp_path: Path) -> None:
    converter = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="needs label-studio-sdk, which replaces OpenCV"
    )
    folder = write("labelstudio", tmp_path, [frame(i, scene(i), f"ä {i}") for i in range(2)])
    config = ElementTree.parse(folder / "config.xml").getroot()
    for index, task in enumerate(json.loads((folder / "tasks.json").read_text())):
        (picture,) = parse_qs(urlsplit(task["data"]["image"]).query)["d"]
        assert (folder / picture).is_file()
        (prediction,) = task["predictions"]
        found = np.zeros(scene(index).shape, np.uint8)
        for result in prediction["result"]:
            assert config.find("Image").get("name") == result["to_name"]
            assert config.find("BrushLabels").get("name") == result["from_name"]
            (label,) = result["value"]["brushlabels"]
            assert config.find(f".//Label[@value='{label}']") is not None
            size = result["original_height"], result["original_width"]
            assert size == found.shape
            mask = converter.decode_rle(result["value"]["rle"]).reshape(*size, 4)[..., 3] > 0
            found[mask] = int(result["meta"]["text"][0].removeprefix("id "))
        assert np.array_equal(found, np.where(scene(index) == 255, 0, scene(index)))
