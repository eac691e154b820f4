"""Effect of the cache of decoded frames: samples/s of the data loader with --cache ram, disk and none, in turn.

    python tests/benchmarks/frame_cache.py SOURCE [--size 224] [--batch-size 16] [--epochs 3] [--workers 0] ...

SOURCE is what `train --data` takes. The first epoch decodes in any case; the later ones show the effect of the cache.
The script prints medians over the turns: samples/s, and their ratios to "none".
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import click

KINDS = ("none", "disk", "ram")


def rates(kind: str, source: str, size: int, batch_size: int, epochs: int, workers: int) -> tuple[float, float]:
    """Samples/s of the first epoch and of the later ones, with two views a sample as in BYOL."""
    from train.data.frame_cache import FrameCache
    from train.data.recordings import open_recordings
    from train.data.samples import CACHE_SCALE, EndlessBatches, Samples, loader
    from train.data.views import two_views

    recordings = open_recordings([source])
    count = sum(map(len, recordings))
    with tempfile.TemporaryDirectory() as folder:
        pictures = FrameCache(kind, count, CACHE_SCALE * size, 3, Path(folder))
        samples = Samples(recordings, two_views(size), pictures=pictures)
        batches = iter(loader(samples, EndlessBatches(batch_size), workers))
        steps = max(1, count // batch_size)
        seconds = []
        for _ in range(epochs):
            began = time.perf_counter()
            for _ in islice(batches, steps):
                pass
            seconds.append(time.perf_counter() - began)
        del batches  # ends the workers
        pictures.close()
    done = steps * batch_size
    return done / seconds[0], done * (epochs - 1) / sum(seconds[1:])


@click.command()
@click.argument("source")
@click.option("--size", default=224, show_default=True, help="Side of a view, in pixels.")
@click.option("--batch-size", default=16, show_default=True, help="Samples a batch.")
@click.option("--epochs", default=3, type=click.IntRange(2), show_default=True, help="Epochs of a turn.")
@click.option("--workers", default=0, show_default=True, help="Processes that decode.")
@click.option("--threads", default=0, help="Threads of torch; 0 = its own choice.")
@click.option("--turns", default=3, show_default=True, help="Turns of each cache.")
def main(source: str, turns: int, threads: int, **given: Any) -> None:
    """Compare the caches on the frames of SOURCE."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(turns):
        for kind in KINDS:
            found[kind].append(rates(kind, source, **given))
    medians = {kind: [statistics.median(part) for part in zip(*turns)] for kind, turns in found.items()}
    result = {
        kind: {
            "samples_per_second": {"first_epoch": round(first, 2), "later": round(later, 2)},
            "ratio": {
                "first_epoch": round(first / medians["none"][0], 3),
                "later": round(later / medians["none"][1], 3),
            },
        }
        for kind, (first, later) in medians.items()
    }
    click.echo(json.dumps({**result, "source": source, "turns": turns, **given}, indent=2))


if __name__ == "__main__":
    main()
