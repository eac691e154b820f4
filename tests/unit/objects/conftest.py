"""A segmenter that finds objects in drifting shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streamseg.backbones import Backbone
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureExtractor
from streamseg.features.preparation import input_size
from streamseg.runtime.segmenter import Segmenter


def segmenter_of(
    backbone_for: Callable[[tuple[int, int]], Backbone], choose_size: Callable = lambda size: size, **settings: object
) -> Segmenter:
    return Segmenter(FeatureExtractor(backbone_for, choose_size, SegmenterConfig().but(**settings)))


@pytest.fixture
def make_salient(make_segmenter):
    """make_salient(**settings): a segmenter that sees colours, with objectness where they are no grays."""

    class Salient(type(make_segmenter().extractor.backbone((120, 160)))):
        def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
            b, _, h, w = images.shape
            cells = images.reshape(b, 3, h // 8, 8, w // 8, 8).mean(axis=(3, 5))
            return super().run(images) | {"energy": np.ptp(cells, axis=1)[:, None]}

    def make(**settings: object) -> Segmenter:
        return segmenter_of(Salient, lambda size: input_size(size, 120, 8), k=4, objects=True, **settings)

    return make
