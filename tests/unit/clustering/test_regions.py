"""Tests that the output of a foreground head is clustered together with the features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamseg.clustering.regions import Regions
from streamseg.config import ClusteringConfig
from streamseg.features.extractor import FeatureFrame
from streamseg.features.timing import StageTimer
from streamseg.frame import Frame


def seen(index: int, answered: bool) -> FeatureFrame:
    """Return a frame whose features separate the left from the right half, and whose head shows an object in the
    middle."""
    rgb = np.full((96, 128, 3), 128, np.uint8)
    features = np.zeros((4, 12, 16), np.float32)
    features[0, :, :8] = features[1, :, 8:] = 1
    features += 0.02 * np.random.default_rng(index).standard_normal(features.shape).astype(np.float32)
    answer = np.zeros((1, 12, 16), np.float32)
    answer[:, 3:9, 5:11] = 1
    return FeatureFrame(
        Frame(index, str(index), 0.0, rgb), features, None, None, {}, foreground=answer if answered else None
    )


def regions(config: ClusteringConfig, answered: bool = True, on_device: bool = False) -> np.ndarray:
    frames: list[Any] = [seen(index, answered) for index in range(4)]
    if on_device:
        torch = pytest.importorskip("torch")
        for one in frames:
            for name in ("features", "foreground"):
                object.__setattr__(one, name, torch.from_numpy(getattr(one, name)))
            object.__setattr__(one, "pixels", torch.from_numpy(one.frame.rgb))
    stage = Regions(config)
    stage.start(frames)
    return stage.step(frames[0], StageTimer())


@pytest.mark.parametrize("clustering", ["online", "per-frame"])
def test_of_two_regions_one_is_what_the_head_answers(clustering: str) -> None:
    found = regions(ClusteringConfig(clustering=clustering, k=2))
    middle, left, right = found[48, 64], found[48, 10], found[48, 118]
    assert left == right != middle


@pytest.mark.parametrize(
    "found",
    [
        lambda: regions(ClusteringConfig(k=2), answered=False),
        lambda: regions(ClusteringConfig(k=2, foreground=0)),
    ],
    ids=["no head", "weight 0"],
)
def test_without_it_features_decide(found: Any) -> None:
    labels = found()
    assert labels[48, 10] == labels[48, 54] != labels[48, 118]


def test_tensors_make_the_same_regions() -> None:
    there, here = (regions(ClusteringConfig(k=3), on_device=on_device) for on_device in (True, False))
    assert (there == here).mean() > 0.99
