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
from streamseg.config import SegmenterConfig, SessionConfig
from streamseg.depth import planes
from streamseg.evaluation.scoring import score, short_names
from streamseg.features import extractor
from streamseg.objects import background, discovery, grabcut, saliency


@contextmanager
def without_cuts() -> Iterator[None]:
    """The head learns from saliency above its threshold instead of from what GrabCut makes of it."""

    def parts_only(rgb: np.ndarray, level: np.ndarray, levels: grabcut.Levels, *, side: int) -> np.ndarray:
        numbers, chosen = saliency.parts(level, levels.low, levels.peak)
        return np.isin(numbers, chosen)

    with patch.object(discovery, "cut", parts_only):
        yield


@contextmanager
def without_head() -> Iterator[None]:
    """Saliency alone, above the middle of its range."""
    found: dict[str, np.ndarray] = {}
    scale = saliency.Saliency.__call__

    def scaled(self: saliency.Saliency, loud: np.ndarray) -> np.ndarray:
        found["now"] = scale(self, loud)
        return found["now"]

    with (
        patch.object(saliency.Saliency, "__call__", scaled),
        patch.object(discovery.Objects, "_score", lambda self, view: found["now"] - np.float32(0.5)),
    ):
        yield


@contextmanager
def without_mirrors() -> Iterator[None]:
    """The network looks one way only."""

    def one_way(backbone: Backbone, images: np.ndarray) -> dict[str, np.ndarray]:
        return {name: maps.copy() for name, maps in backbone.run(images).items()}

    with patch.object(extractor, "run_both_ways", one_way):
        yield


@contextmanager
def without_empty_pictures() -> Iterator[None]:
    """The attention of a ViT as it is."""
    look_at_nothing = saliency.attention_to_nothing

    def even(run: Callable[[np.ndarray], saliency.Outputs], size: tuple[int, int]) -> np.ndarray | None:
        blank = look_at_nothing(run, size)
        return None if blank is None else np.ones_like(blank)

    with patch.object(extractor, "attention_to_nothing", even):
        yield


@contextmanager
def with_quiet_attention() -> Iterator[None]:
    """Of a ViT, too, the quietest cells count as surroundings."""
    chosen = background._background

    with patch.object(background, "_background", lambda loud, attention: chosen(loud, False)):
        yield


VARIANTS: dict[str, tuple[Callable[[], Any], str]] = {
    "all of it, live": (lambda: patch.object(discovery, "MOVING", discovery.MOVING), "live"),
    "without the head: saliency above 0.5": (without_head, "live"),
    "without GrabCut": (without_cuts, "live"),
    "without the third round": (lambda: patch.object(discovery.Objects, "ROUNDS", 2), "live"),
    "without the surroundings: loudness alone": (
        lambda: patch.object(background.BackgroundMemory, "__call__", lambda self, features, loud: np.ones_like(loud)),
        "live",
    ),
    "without empty pictures: attention as it is": (without_empty_pictures, "live"),
    "with quiet cells as surroundings of attention": (with_quiet_attention, "live"),
    "without motion": (lambda: patch.object(discovery, "MOVING", 0.0), "live"),
    "without the frame's border": (lambda: patch.object(saliency, "BORDER", 0.0), "live"),
    "without saliency beside the head": (lambda: patch.object(discovery, "TRUST", 0.0), "live"),
    "without the gate": (lambda: patch.object(discovery, "GATE", -1.0), "live"),
    "without depth": (lambda: patch.object(discovery, "find_surface", lambda depth, camera: None), "live"),
    "with the worst camera's noise for all": (lambda: patch.object(planes, "QUIETER", 1.0), "live"),
    "all of it, --quality high": (lambda: patch.object(discovery, "MOVING", discovery.MOVING), "high"),
    "high, without GrabCut's borders": (
        lambda: patch.object(discovery.Objects, "_cut_out", discovery.Objects._enlarged),
        "high",
    ),
    "high, without mirror images": (without_mirrors, "high"),
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
        settings = SegmenterConfig().but(objects=True, quality=quality)
        with change():
            found = [
                score(SessionConfig(source).but(spec=Spec(model, weights), size=size, settings=settings), iou_only=True)
                for source in sources
            ]
        values = [float(each.figures["free"] or 0.0) for each in found]
        click.echo(f"| {variant} | {statistics.mean(values):.3f} | {' | '.join(f'{v:.3f}' for v in values)} |")


if __name__ == "__main__":
    main()
