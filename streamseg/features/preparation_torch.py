"""Runs frames through the network on its device: the same as `preparation.py` and the backbone in host memory.

Frames are uploaded once, as uint8. It runs on its own CUDA stream, so that later stages wait only for what they need.
Written for CUDA, tested on torch's "cpu" device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from streamseg.backbones import Backbone
from streamseg.masks.resampling_torch import area, bilinear, wait


@torch.inference_mode()
def run(
    backbone: Backbone, frames: Sequence[np.ndarray], batch: int, lap: Callable[[str], object]
) -> tuple[dict[str, Tensor], Tensor]:
    """Run the network on (H, W, 3) uint8 frames of one size, with one upload and one call.

    batch: of the call; missing frames are filled up. lap: told when "prepare" and "backbone" are done. Returns the
    backbone's outputs, (B, D, h, w) float32, and the pixels, (B, H, W, 3) uint8, of the B frames, on its device.
    """
    with _own_stream(backbone.place):
        pixels = _upload_all(frames, backbone.place)
        images = [_prepared(frame, backbone.size) for frame in pixels]
        whole = torch.stack(images + images[-1:] * (batch - len(images)))
        wait(whole)
        lap("prepare")
        outputs = {name: maps[: len(frames)] for name, maps in backbone.run_on_device(whole).items()}
        wait(outputs["features"])
        lap("backbone")
    return outputs, pixels


def _own_stream(device: str) -> AbstractContextManager[object]:
    return torch.cuda.stream(_stream()) if device == "cuda" else nullcontext()


@lru_cache
def _stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()


def _upload_all(frames: Sequence[np.ndarray], device: str) -> Tensor:
    """(B, H, W, 3) uint8, through pinned memory, which the copy does not wait for."""
    pinned = torch.empty((len(frames), *frames[0].shape), dtype=torch.uint8, pin_memory=device == "cuda")
    for place, frame in zip(pinned.numpy(), frames, strict=True):
        place[:] = frame
    return pinned.to(device, non_blocking=True)


def _prepared(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """As `preparation.prepare`: (H, W, 3) uint8 -> (3, h, w) float32 in [0, 1], in whole levels as there. One value in
    ten is a level off, where OpenCV's fixed point is: of the labels it moves a few pixels at the borders."""
    planes = rgb.permute(2, 0, 1)
    halves = rgb.shape[0] >= 2 * size[0]
    return (area(planes, size) if halves else bilinear(planes.float(), size)).round() * (1 / 255)
