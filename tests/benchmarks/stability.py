"""How far masks depend on rounding: agreement of a session with one whose features or pixels are slightly disturbed.

    python tests/benchmarks/stability.py SOURCE... [--frames 24] [--size 384] [--seeds 3] [--objects] [--keyframes 0]

There are three disturbances: "noise" multiplies every feature and the objectness by 1 +- 2^-8, the rounding of bf16;
"bf16" rounds the network's weights and outputs to bf16; "shift" moves the frames by one pixel. The script prints a
Markdown table: mean adjusted Rand index of the regions and its lowest value of a frame, share of pixels with the same
id, k, and mean IoU of the union of the objects. Each figure is the mean over the seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import click
import numpy as np
from _networks import Wrapped
from sklearn.metrics import adjusted_rand_score

from streamseg.backbones import Backbone, open_backbone
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureExtractor, FeatureFrame
from streamseg.features.preparation import input_size
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.runtime.segmenter import Segmenter
from streamseg.sources import open_source

BF16 = 2.0**-8
"""Relative rounding of bf16: eight bits of mantissa."""


class Disturbed(Wrapped):
    """A backbone whose outputs are multiplied by 1 +- BF16, uniformly distributed; the same for the same images."""

    def __init__(self, inner: Backbone, seed: int) -> None:
        super().__init__(inner)
        self.seed = seed

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        random, found = np.random.default_rng([self.seed, crc32(np.ascontiguousarray(images))]), {}
        for name, values in self.inner.run(images).items():
            noise = random.uniform(-BF16, BF16, values.shape).astype(np.float32)
            found[name] = (values * (1 + noise)).astype(np.float32)
        features = found["features"]
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
        return found


def shifted(frame: Frame) -> Frame:
    """The frame, moved by one pixel to the right. The first column of its ground truth is void."""
    moved = np.roll(frame.rgb, 1, axis=1)
    moved[:, 0] = frame.rgb[:, 0]
    depth, load = frame.depth, frame.load_annotation

    def truth() -> np.ndarray:
        there = np.roll(load(), 1, axis=1) if load else np.zeros((0, 0), np.uint8)
        there[:, 0] = VOID
        return there

    return replace(
        frame,
        rgb=moved,
        load_depth=None if depth is None else lambda: np.roll(depth, 1, axis=1),
        load_annotation=truth if load else None,
    )


@dataclass
class Agreement:
    """Agreement of two sessions. ari, ids, objects: means over frames, 1 = the same. worst: the lowest ari of a frame.
    k: of both at the end."""

    ari: float
    ids: float
    objects: float
    worst: float
    k: tuple[int, int]


def session(
    frames: Sequence[Frame], open_network: Callable[[tuple[int, int]], Backbone], config: SegmenterConfig
) -> list[Segmentation]:
    """Segment frames as `streamseg run` does."""
    size = config.extractor.size
    extractor = FeatureExtractor(open_network, lambda whole: input_size(whole, size, 32), config)
    segmenter = Segmenter(extractor)
    plan = [segmenter.plan(frame) for frame in frames]
    seen = extractor.planned(plan[: segmenter.start_frames])
    segmenter.start([one for one in seen if isinstance(one, FeatureFrame)])
    return [segmenter.step(one) for one in [*seen, *extractor.planned(plan[segmenter.start_frames :])]]


def agreement(one: Sequence[Segmentation], other: Sequence[Segmentation], shift: int = 0) -> Agreement:
    """Compare two sessions over the same frames. shift: pixels by which the other one's frames lie further right."""
    ari, ids, objects = [], [], []
    for a, b in zip(one, other, strict=True):
        width = a.regions.shape[1]
        here, there = a.regions[::4, : width - shift : 4], b.regions[::4, shift::4]
        ari.append(adjusted_rand_score(here.ravel(), there.ravel()))
        ids.append(float((here == there).mean()))
        if a.objects is not None and b.objects is not None:
            mine, yours = a.objects[:, : width - shift] > 0, b.objects[:, shift:] > 0
            either = float((mine | yours).sum())
            objects.append(float((mine & yours).sum()) / either if either else 1.0)
    mean_objects = float(np.mean(objects)) if objects else float("nan")
    return Agreement(
        float(np.mean(ari)), float(np.mean(ids)), mean_objects, float(np.min(ari)), (one[-1].k, other[-1].k)
    )


def measure(source: str, config: SegmenterConfig, frames: int, seeds: int) -> dict[str, list[Agreement]]:
    """{disturbance: an `Agreement` for each of its seeds}."""
    with open_source(source) as recording:
        own = [recording[i] for i in recording.coming(1, frames)]
    known: dict[tuple[tuple[int, int], str], Backbone] = {}

    def network(precision: str) -> Callable[[tuple[int, int]], Backbone]:
        def get(size: tuple[int, int]) -> Backbone:
            if (size, precision) not in known:
                engine = "torch" if precision == "bf16" else "openvino"
                known[size, precision] = open_backbone(
                    config.extractor.spec, size, engine=engine, device="cpu", precision=precision
                )
            return known[size, precision]

        return get

    exact = network("fp32")
    wanted = session(own, exact, config)
    found: dict[str, list[Agreement]] = {"noise": [], "bf16": [], "shift": []}
    for seed in range(seeds):
        noisy = session(own, lambda size, seed=seed: Disturbed(exact(size), seed), config)  # type: ignore[misc]
        found["noise"].append(agreement(wanted, noisy))
    found["bf16"].append(agreement(wanted, session(own, network("bf16"), config)))
    found["shift"].append(agreement(wanted, session([shifted(one) for one in own], exact, config), shift=1))
    return found


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--frames", default=24, show_default=True, help="Frames of each source.")
@click.option("--size", default=384, show_default=True, help="Input size of the network.")
@click.option("--seeds", default=3, show_default=True, help="Seeds of the noise.")
@click.option("--objects", is_flag=True, help="Compare objects, too.")
@click.option("--keyframes", default=0, show_default=True, help="As in run; 0 = auto.")
def main(sources: Sequence[str], frames: int, size: int, seeds: int, objects: bool, keyframes: int) -> None:
    """Measure how far the masks of SOURCES depend on rounding."""
    config = SegmenterConfig().but(size=size, objects=objects, keyframes=keyframes)
    print("| recording | disturbance | regions, ARI | worst frame | same id | k | objects, IoU |")
    print("|---|---|---|---|---|---|---|")
    for source in sources:
        for name, results in measure(source, config, frames, seeds).items():
            ks = ", ".join(f"{a}/{b}" for a, b in sorted({one.k for one in results}))
            figures = [np.mean([getattr(one, key) for one in results]) for key in ("ari", "worst", "ids", "objects")]
            cells = " | ".join(f"{value:.3f}" for value in figures[:3])
            print(f"| {Path(source).name} | {name} | {cells} | {ks} | {figures[3]:.3f} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
