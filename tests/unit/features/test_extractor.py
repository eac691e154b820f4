from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.backbones import Spec, open_backbone
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureExtractor, input_size


@given(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), st.integers(16, 1024), st.sampled_from([8, 14, 16, 32]))
def test_input_size_is_a_multiple_and_keeps_the_aspect(frame: tuple[int, int], short: int, multiple: int) -> None:
    height, width = input_size(frame, short, multiple)
    assert height % multiple == width % multiple == 0
    assert min(height, width) >= multiple
    scale = short / min(frame)
    assert abs(height - max(multiple, frame[0] * scale)) <= multiple / 2 + 1
    assert abs(width - max(multiple, frame[1] * scale)) <= multiple / 2 + 1


def test_input_size_as_given() -> None:
    assert input_size((480, 640), (100, 300), 32) == (96, 288)


@pytest.mark.parametrize("quality", ["live", "high"])
def test_the_first_look_is_as_good_as_the_next(shapes, shared, quality: str) -> None:
    """Though before it the network looks at empty pictures, and uses its arrays again."""
    spec = Spec("timm:vit_tiny_patch16_224", str(shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors"))
    extractor = FeatureExtractor(
        lambda size: open_backbone(spec, size),
        lambda size: input_size(size, 96, 16),
        SegmenterConfig().but(objects=True, quality=quality),
    )
    frame = shapes()[3]
    assert not extractor.loud_by_attention
    first, second = extractor.extract([frame])[0], extractor.extract([frame])[0]
    assert np.array_equal(first.features, second.features)
    assert np.array_equal(first.loud, second.loud)
    assert extractor.loud_by_attention
    extractor.close()
