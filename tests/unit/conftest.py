"""A small world for tests of the stages: coloured shapes that move, and a backbone that sees colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from streamseg.backbones import Backbone
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureExtractor
from streamseg.features.preparation import input_size
from streamseg.frame import Frame, Intrinsics
from streamseg.runtime.segmenter import Segmenter
from streamseg.sources import Recording

if TYPE_CHECKING:
    import torch

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")  # no test asserts how long anything takes

COLOURS = np.array([[60, 60, 60], [200, 40, 40], [40, 180, 60], [50, 70, 220]], np.uint8)


class ColourBackbone(Backbone):
    """The mean colour of each cell, against gray, as a unit vector: enough to tell coloured shapes apart."""

    name, sha256, engine, device, precision = "colours", "", "numpy", "cpu", "fp32"
    dim, stride = 4, 8

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        b, _, h, w = images.shape
        cells = images.reshape(b, 3, h // 8, 8, w // 8, 8).mean(axis=(3, 5))
        cells = np.concatenate([cells - 0.3, np.full_like(cells[:, :1], 0.2)], axis=1)
        return {"features": cells / np.linalg.norm(cells, axis=1, keepdims=True)}

    tensors = True

    def run_on_device(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        import torch

        return {name: torch.from_numpy(array) for name, array in self.run(images.numpy()).items()}


def draw_scene(index: int, size: tuple[int, int] = (120, 160)) -> tuple[np.ndarray, np.ndarray]:
    """Three shapes of four colours that drift; (H, W, 3) uint8 and the (H, W) truth 0 ... 3."""
    h, w = size
    truth = np.zeros(size, np.uint8)
    cv2.circle(truth, (w // 4 + index % 20, h // 3), h // 5, 1, -1)
    cv2.rectangle(truth, (w // 2 + 4, h // 6 + index % 15), (w - 12, h // 2 + index % 15), 2, -1)
    cv2.rectangle(truth, (w // 5, 2 * h // 3), (w // 2 + index % 20, h - 10), 3, -1)
    noise = np.random.default_rng(index).normal(0, 3, (*size, 3))
    return np.clip(COLOURS[truth] + noise, 0, 255).astype(np.uint8), truth


class Shapes(Recording):
    """A recording of `draw_scene`."""

    uri, kind, fps = "shapes", "shapes", 25.0

    def __init__(self, length: int = 30, size: tuple[int, int] = (120, 160)) -> None:
        self.length, self.frame_size = length, size

    def __len__(self) -> int:
        return self.length

    def name_of(self, index: int) -> str:
        return f"{index:05d}"

    def __getitem__(self, index: int) -> Frame:
        if not 0 <= index < self.length:
            raise IndexError(index)
        rgb, truth = draw_scene(index, self.frame_size)
        return Frame(
            index,
            self.name_of(index),
            index / self.fps,
            rgb,
            intrinsics=Intrinsics(150, 150, 80, 60),
            load_depth=lambda: np.where(truth > 0, 1.0, 2.0).astype(np.float32),
            load_annotation=lambda: truth,
        )


@pytest.fixture
def shapes() -> type[Shapes]:
    return Shapes


@pytest.fixture
def make_segmenter() -> Callable[..., Segmenter]:
    """make_segmenter(**settings): a segmenter that sees colours."""

    def make(**settings: object) -> Segmenter:
        config = SegmenterConfig().but(**settings)
        return Segmenter(FeatureExtractor(ColourBackbone, lambda size: input_size(size, 120, 8), config))

    return make
