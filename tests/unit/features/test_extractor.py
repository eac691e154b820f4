from __future__ import annotations

import numpy as np
import pytest

from streamseg.backbones import Spec, open_backbone
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureExtractor
from streamseg.features.preparation import input_size


@pytest.mark.parametrize("quality", ["live", "high"])
def test_the_first_look_is_as_good_as_the_next(shapes, shared, quality: str) -> None:
    """Although the network runs on empty images before, and overwrites its arrays."""
    spec = Spec("timm:vit_tiny_patch16_224", str(shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors"))
    extractor = FeatureExtractor(
        lambda size: open_backbone(spec, size),
        lambda size: input_size(size, 96, 16),
        SegmenterConfig().but(objects=True, quality=quality),
    )
    frame = shapes()[3]
    first, second = extractor([frame])[0], extractor([frame])[0]
    assert np.array_equal(first.features, second.features)
    assert np.array_equal(first.objectness, second.objectness)
    assert first.by_attention
    assert first.is_key
    extractor.close()
