from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamseg.backbones import Backbone, Spec, open_backbone
from streamseg.features.flip import run_both_ways


@pytest.fixture(scope="module", params=["efficientnet_lite0", "vit"])
def backbone(request: pytest.FixtureRequest) -> Iterator[Backbone]:
    spec = Spec("efficientnet_lite0")
    if request.param == "vit":
        shared: Path = request.getfixturevalue("shared")
        weights = shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors"
        spec = Spec("timm:vit_tiny_patch16_224", str(weights))
    opened = open_backbone(spec, (64, 96))
    yield opened
    opened.close()


def test_a_mirror_image_gives_the_mirrored_maps(backbone: Backbone) -> None:
    """A network alone does not give them."""
    images = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    images[..., 48:] *= 0.3
    mirrored = np.ascontiguousarray(images[..., ::-1])
    straight = {name: maps.copy() for name, maps in run_both_ways(backbone, images).items()}
    for name, maps in run_both_ways(backbone, mirrored).items():
        assert np.allclose(maps[..., ::-1], straight[name], atol=1e-4)
    alone = backbone.run(images)["features"].copy()
    assert not np.allclose(backbone.run(mirrored)["features"][..., ::-1], alone, atol=1e-2)


def test_features_are_unit_vectors_near_those_of_one_way(backbone: Backbone) -> None:
    images = np.random.default_rng(1).random((1, 3, 64, 96), np.float32)
    features = run_both_ways(backbone, images)["features"]
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert (features * backbone.run(images)["features"]).sum(axis=1).mean() > 0.7


def test_the_images_are_left_as_they_are(backbone: Backbone) -> None:
    images = np.random.default_rng(2).random((1, 3, 64, 96), np.float32)
    before = images.copy()
    run_both_ways(backbone, images)
    assert np.array_equal(images, before)
