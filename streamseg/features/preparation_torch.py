"""Runs the network on frames on its device: `preparation.py` and `Backbone.run` in torch.

Frames are uploaded once, as uint8. The work has a CUDA stream of its own, so that later stages wait only for what they
need. Written for CUDA, tested on torch's "cpu" device.
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
    """Run the network on B (H, W, 3) uint8 frames of one size, with one upload and one call.

    batch: of the call; the last frame is repeated up to it. lap: called with "prepare" and "backbone" when these stages
    end. Returns the outputs, (B, D, h, w) float32 by name, and the frames, (B, H, W, 3) uint8, on the network's device.
    """
    with _own_stream(backbone.place):
        pixels = _upload_all(frames, backbone.place)
        prepared = [_prepared(frame, backbone.size) for frame in pixels]
        images = torch.stack(prepared + prepared[-1:] * (batch - len(prepared)))
        wait(images)
        lap("prepare")
        outputs = {name: maps[: len(frames)] for name, maps in backbone.run_on_device(images).items()}
        wait(outputs["features"])
        lap("backbone")
    return outputs, pixels


def _own_stream(device: str) -> AbstractContextManager[object]:
    """Return a context in which torch uses the CUDA stream of this module; no change on a CPU."""
    return torch.cuda.stream(_stream()) if device == "cuda" else nullcontext()


@lru_cache
def _stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()


def _upload_all(frames: Sequence[np.ndarray], device: str) -> Tensor:
    """Return the frames as a (B, H, W, 3) uint8 tensor, uploaded asynchronously from pinned memory."""
    pinned = torch.empty((len(frames), *frames[0].shape), dtype=torch.uint8, pin_memory=device == "cuda")
    for place, frame in zip(pinned.numpy(), frames, strict=True):
        place[:] = frame
    return pinned.to(device, non_blocking=True)


def _prepared(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """As `preparation.prepare`, for a (H, W, 3) uint8 tensor. Returns (3, h, w) float32 in [0, 1], in steps of 1/255.

    One value in ten differs by a step, because OpenCV uses fixed point. It changes a few labels along borders.
    """
    planes = rgb.permute(2, 0, 1)
    halves = rgb.shape[0] >= 2 * size[0]
    return (area(planes, size) if halves else bilinear(planes.float(), size)).round() * (1 / 255)
