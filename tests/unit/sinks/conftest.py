"""Frames for the tests of sinks, and a function that writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamseg.frame import VOID, Frame, Intrinsics, Segmentation
from streamseg.sinks import Run, open_sink

FILES = {
    "labels": "labels",
    "panoptic": "panoptic",
    "npz": "labels.npz",
    "coco": "annotations.json",
    "ytvis": "youtube_vis.json",
    "jsonl": "segments.jsonl",
    "dataset": "dataset",
    "yolo": "yolo",
    "labelstudio": "labelstudio",
    "mots": "mots.txt",
    "ply": "ply",
}
RUN = Run(title="a sequence")


def blocks(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """(H, W) labels: rectangles of ids 1, 2, 3 and 200, and some void."""
    random = np.random.default_rng(seed)
    labels = np.ones(size, np.uint8)
    for i in (2, 3, 200, VOID):
        y, x = random.integers(0, size[0] // 2), random.integers(0, size[1] // 2)
        labels[y : y + random.integers(2, 20), x : x + random.integers(2, 20)] = i
    return labels


def scene(seed: int, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """(H, W) labels: 0 around a ring (1), a thing in two parts (2), one pixel (3), one at the rim (200), and void."""
    labels = np.zeros(size, np.uint8)
    shift = seed % 5
    labels[10 + shift : 40, 10:40] = 1
    labels[20 + shift : 30, 20:30] = 0
    labels[5:12, 50:60] = labels[30:50, 55 : 70 + shift] = 2
    labels[45, 5] = 3
    labels[50:, 20:45] = 200
    labels[:3, :3] = VOID
    return labels


def frame(index: int, labels: np.ndarray, name: str = "") -> tuple[Frame, Segmentation]:
    """A frame of an RGB-D recording with poses, 2 m in front of the camera."""
    rgb = np.zeros((*labels.shape, 3), np.uint8)
    name = name or f"{index:05d}"
    depth = np.full(labels.shape, 2, np.float32)
    picture = Frame(
        index, name, 0.5 * index, rgb, Intrinsics(50, 50, 32, 24), file=Path("pictures") / f"{name}.jpg",
        load_depth=lambda: depth, pose=np.eye(4),
    )  # fmt: skip
    return picture, Segmentation(labels, k=4, objects=labels)


def write(name: str, folder: Path, frames: list[tuple[Frame, Segmentation]]) -> Path:
    with open_sink(name, folder, RUN) as sink:
        for item in frames:
            sink.write(*item)
    return folder / FILES[name]
