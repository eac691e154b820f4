"""Draws samples/overview.jpg, the picture in the README: frames of the sample clip above their object masks.

python samples/overview.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from streamseg.backbones import Spec, open_backbone
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureExtractor
from streamseg.features.preparation import input_size
from streamseg.masks.drawing import overlay
from streamseg.runtime.segmenter import Segmenter
from streamseg.sources import open_source

HERE = Path(__file__).parent
SHOWN = (0, 11, 23)  # indices of the frames in the picture


def main() -> None:
    """Segment the clip with the settings of `make demo`, and write the picture."""
    clip = open_source(str(HERE / "tabletop"))
    segmenter = Segmenter(
        FeatureExtractor(
            backbone_for=lambda size: open_backbone(Spec("efficientnet_lite0"), size),
            choose_size=lambda frame_size: input_size(frame_size, 512, multiple=32),
            settings=SegmenterConfig().but(objects=True),
        )
    )
    segmenter.start([clip[i] for i in range(segmenter.start_frames)])
    columns = []
    for i in range(len(clip)):
        frame = clip[i]
        objects = segmenter.step(frame).objects
        if i in SHOWN:
            columns.append(np.vstack([frame.rgb, overlay(frame.rgb, objects)]))
    picture = cv2.resize(np.hstack(columns), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(HERE / "overview.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
