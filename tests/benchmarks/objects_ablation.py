"""What each step of the objects is worth: IoU without labels (`free`) when it is left out, on all recordings at once.

    python tests/benchmarks/objects_ablation.py SOURCE... [--model NAME] [--weights FILE] [--size 384] [--only NAME]

SOURCE is anything annotated that `streamseg eval` takes. Prints a Markdown table: one row a variant, one column a
recording, and the mean.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import click
import numpy as np

from streamseg.backbones import Backbone, Spec
from streamseg.config import SessionConfig
from streamseg.depth import containers, extent, planes, support
from streamseg.depth import instances as depth_instances
from streamseg.evaluation.scoring import score, short_names
from streamseg.features import extractor
from streamseg.objects import background, changes, discovery, grabcut, instances, movement, saliency


@contextmanager
def without_cuts() -> Iterator[None]:
    """The classifier learns from saliency above its threshold instead of from what GrabCut makes of it."""

    def parts_only(
        rgb: np.ndarray, level: np.ndarray, levels: grabcut.Levels, *, side: int, seed: int = 0
    ) -> np.ndarray:
        numbers, chosen = saliency.parts(level, levels.low, levels.peak)
        return np.isin(numbers, chosen)

    with patch.object(discovery, "cut", parts_only):
        yield


@contextmanager
def without_classifier() -> Iterator[None]:
    """Saliency alone, above the middle of its range."""
    found: dict[str, np.ndarray] = {}
    scale = saliency.Saliency.__call__

    def scaled(self: saliency.Saliency, objectness: np.ndarray) -> np.ndarray:
        found["now"] = scale(self, objectness)
        return found["now"]

    with (
        patch.object(saliency.Saliency, "__call__", scaled),
        patch.object(discovery.ObjectDiscovery, "_score", lambda self, seen: found["now"] - np.float32(0.5)),
    ):
        yield


@contextmanager
def without_contacts() -> Iterator[None]:
    """Touching things are parted only where the distance jumps."""
    find = support.find_contacts

    def none(depth: np.ndarray, focal: float, on: np.ndarray) -> tuple[np.ndarray, float]:
        return np.zeros(depth.shape, bool), find(depth, focal, on)[1]

    with patch.object(support, "find_contacts", none):
        yield


@contextmanager
def without_flip() -> Iterator[None]:
    """The network sees each image as it is, not its mirror image as well."""

    def one_way(backbone: Backbone, images: np.ndarray) -> dict[str, np.ndarray]:
        return {name: maps.copy() for name, maps in backbone.run(images).items()}

    with patch.object(extractor, "run_both_ways", one_way):
        yield


@contextmanager
def without_blank() -> Iterator[None]:
    """The attention of a ViT as it is."""
    to_blank = extractor.attention_to_blank

    def even(run: Callable[[np.ndarray], dict[str, np.ndarray]], size: tuple[int, int]) -> np.ndarray | None:
        blank = to_blank(run, size)
        return None if blank is None else np.ones_like(blank)

    with patch.object(extractor, "attention_to_blank", even):
        yield


@contextmanager
def with_background_of_features() -> Iterator[None]:
    """Of a ViT, too, the cells of the lowest objectness count as background."""
    chosen = background._background

    with patch.object(background, "_background", lambda objectness, attention: chosen(objectness, False)):
        yield


@contextmanager
def without_changes() -> Iterator[None]:
    """Only neighbouring frames are compared."""
    with (
        patch.object(changes.Changes, "start", lambda self, frames, cameras: [None] * len(frames)),
        patch.object(changes.Changes, "__call__", lambda self, frame, camera: None),
    ):
        yield


def _with_the_borders_of_live(self: discovery.ObjectDiscovery, seen: discovery.Seen) -> np.ndarray:
    self.quality = "live"
    try:
        return _foreground(self, seen)
    finally:
        self.quality = "high"


_foreground = discovery.ObjectDiscovery._foreground


VARIANTS: dict[str, tuple[Callable[[], Any], str]] = {
    "all of it, live": (lambda: patch.object(discovery, "MOVING", discovery.MOVING), "live"),
    "without the classifier: saliency above 0.5": (without_classifier, "live"),
    "without GrabCut": (without_cuts, "live"),
    "without the third round": (lambda: patch.object(discovery, "ROUNDS", 2), "live"),
    "without the background memory: objectness alone": (
        lambda: patch.object(
            background.BackgroundMemory,
            "__call__",
            lambda self, features, objectness, attention=False: np.ones_like(objectness),
        ),
        "live",
    ),
    "without the blank image: attention as it is": (without_blank, "live"),
    "with the lowest cells as background of attention": (with_background_of_features, "live"),
    "without motion": (lambda: patch.object(discovery, "MOVING", 0.0), "live"),
    "without dithered thresholds": (lambda: patch.object(discovery, "DITHER", 0.0), "live"),
    "without the motion's evidence": (lambda: patch.object(movement, "DOUBTS", (0.0, movement.DOUBTS[1])), "live"),
    "without the registered background": (without_changes, "live"),
    "without what it says for objects": (lambda: patch.object(movement, "LEANING", 0.0), "live"),
    "without the frame's border": (lambda: patch.object(saliency, "BORDER", 0.0), "live"),
    "without saliency beside the classifier": (lambda: patch.object(discovery, "TRUST", 0.0), "live"),
    "without the gate": (lambda: patch.object(instances, "GATE", -1.0), "live"),
    "without depth": (lambda: patch.object(discovery, "support_of", lambda frame, seed: None), "live"),
    "without contacts: parted where the distance jumps": (without_contacts, "live"),
    "without merging what another thing cuts in two": (
        lambda: patch.object(depth_instances, "merge_occluded", lambda objects, *rest: objects),
        "live",
    ),
    "without the bow of a container's inside": (lambda: patch.object(containers, "BOWED", -1.0), "live"),
    "with an extent of one piece": (lambda: patch.object(extent, "PIECES", 1), "live"),
    "without a look below the plane": (lambda: patch.object(planes, "STOREY", 1e-9), "live"),
    "with the worst camera's noise for all": (lambda: patch.object(planes, "QUIETER", 1.0), "live"),
    "all of it, --quality high": (lambda: patch.object(discovery, "MOVING", discovery.MOVING), "high"),
    "high, without GrabCut's borders": (
        lambda: patch.object(discovery.ObjectDiscovery, "_foreground", _with_the_borders_of_live),
        "high",
    ),
    "high, without mirror images": (without_flip, "high"),
    "high, without parts that rest": (
        lambda: patch.object(movement.Movement, "survey", lambda self, frames: None),
        "high",
    ),
}


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--model", default="efficientnet_lite0", show_default=True)
@click.option("--weights", default="")
@click.option("--size", default=384, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(list(VARIANTS)))
def main(sources: tuple[str, ...], model: str, weights: str, size: int, only: tuple[str, ...]) -> None:
    """Print the table."""
    names = [name[:10] for name in short_names(sources)]
    click.echo(f"| variant | mean | {' | '.join(names)} |\n|{' --- |' * (len(names) + 2)}")
    for variant in only or VARIANTS:
        change, quality = VARIANTS[variant]
        values = {"spec": Spec(model, weights), "size": size, "objects": True, "quality": quality}
        with change():
            found = [score(SessionConfig(source).but(**values), iou_only=True) for source in sources]
        scores = [float(each.figures["free"] or 0.0) for each in found]
        click.echo(f"| {variant} | {statistics.mean(scores):.3f} | {' | '.join(f'{v:.3f}' for v in scores)} |")


if __name__ == "__main__":
    main()
