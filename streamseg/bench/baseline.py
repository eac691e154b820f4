"""The baseline of the benchmark: the report's method as a plain script, which processes one frame after the other.

ResNet-18 up to its last stage in eager PyTorch, scikit-learn's K-Means for k = 2 ... 10 with ten restarts each, kneed,
nearest-neighbour upsampling of the labels, and an overlay video by OpenCV. No stage is warm-started or overlaps
another.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamseg.bench.turn import COMPARED, STEP, Monitor, figures, looped, recording
from streamseg.masks import palette
from streamseg.runtime.statistics import Statistics


@dataclass(frozen=True)
class PlainScript:
    """A turn of the script over `frames` frames of `source`, 0 = the recording once. size: (H, W) of the network's
    input. weights: a ResNet-18 file, "" = random weights with a fixed seed."""

    source: str
    frames: int
    size: tuple[int, int]
    weights: str = ""


def measure(script: PlainScript) -> dict[str, Any]:
    """Run the script, and return those figures of `turn.measure` that exist here."""
    import torch

    net = _network(script.weights)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

    def features(rgb: np.ndarray) -> np.ndarray:
        small = cv2.resize(rgb, script.size[::-1])
        pixels = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            maps: np.ndarray = net((pixels - mean) / std)[0].numpy()
        return maps

    statistics, monitor = Statistics(), Monitor()
    masks: list[np.ndarray] = []
    with recording(script.source) as opened, tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
        source = looped(opened, script.frames)
        cluster(features(source[0].rgb))  # imports and first allocations are not measured
        height, width = source[0].rgb.shape[:2]
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(Path(folder) / "overlay.mp4"), code, source.fps, (width, height))
        monitor.start()
        began = time.perf_counter()
        for index in range(len(source)):
            clock = _Clock(statistics)
            rgb = source[index].rgb
            clock.lap("read")
            maps = features(rgb)
            clock.lap("backbone")
            clusters = cluster(maps)
            clock.lap("cluster")
            labels = cv2.resize(clusters, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST) + 1
            clock.lap("upsample")
            writer.write(_overlay(rgb, labels))
            clock.lap("write")
            statistics.latency_ms.append(
                sum(statistics.stage_ms[stage][-1] for stage in ("backbone", "cluster", "upsample"))
            )
            statistics.processed += 1
            monitor.frame_done(statistics)
            if len(masks) < COMPARED:
                masks.append(labels[::STEP, ::STEP])
        writer.release()
        statistics.seconds = time.perf_counter() - began
    result = {**monitor.figures(statistics), **figures(statistics), "masks": np.stack(masks), "size": list(script.size)}
    return result | {"engine": "report", "device": "cpu", "precision": "fp32"}


def cluster(maps: np.ndarray) -> np.ndarray:
    """Return the (h, w) uint8 cluster of each cell of (D, h, w) features. The knee selects k; without one, k is 4."""
    from kneed import KneeLocator
    from sklearn.cluster import KMeans

    points = maps.reshape(len(maps), -1).T
    models = {k: KMeans(k, n_init=10, random_state=0).fit(points) for k in range(2, min(10, len(points)) + 1)}
    inertia = [model.inertia_ for model in models.values()]
    k = KneeLocator(list(models), inertia, curve="convex", direction="decreasing").knee
    labels: np.ndarray = models[k if k in models else 4].labels_
    return labels.reshape(maps.shape[1:]).astype(np.uint8)


def _network(weights: str) -> Any:
    """Return ResNet-18 without its pooling and classifier."""
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(0)
    net = resnet18()
    if weights:
        net.load_state_dict(net.state_dict() | _state_dict(weights))
    return torch.nn.Sequential(*list(net.children())[:-2]).eval()


def _state_dict(path: str) -> Any:
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _overlay(rgb: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the (H, W, 3) uint8 BGR picture of the labels over the image, for OpenCV's writer."""
    tinted = cv2.addWeighted(rgb, 0.5, palette.distinct()[labels], 0.5, 0)
    return cv2.cvtColor(tinted, cv2.COLOR_RGB2BGR)


class _Clock:
    """Measures the time of each stage, and adds it to `statistics`."""

    def __init__(self, statistics: Statistics) -> None:
        self.statistics, self.last = statistics, time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.statistics.took(stage, (now - self.last) * 1e3)
        self.last = now
