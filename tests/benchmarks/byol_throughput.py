"""Throughput of `streamseg train byol` beside lightly's reference loop: same frames, batch and backbone, in turn.

    python tests/benchmarks/byol_throughput.py FOLDER_OF_IMAGES [--steps 20] [--batch-size 16] [--size 224] ...

lightly's loop is the PyTorch example of its documentation: LightlyDataset, BYOLTransform, update_momentum, SGD. Its
time is that of the loop alone, from the first request for a batch to the last step. Our time is all that Lightning
does: building the optimizer, opening the event file, filling the frame cache, the steps with all their checks, the
table and the last checkpoint. Neither includes the creation of the networks.

The script prints samples/s of wall time and of CPU time (of this process: without --workers) for each turn, the ratio
of the medians, and the median of the turns' ratios, which depends less on a machine that slows down meanwhile. The side
that begins alternates, because the first one warms up torch for both. On a shared machine use the CPU time with
--threads 1: several threads wait for each other, and their waiting counts.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import click


class Rates(NamedTuple):
    """Samples/s of wall time, and of CPU time."""

    wall: float
    cpu: float


class Clock:
    """It measures from its creation on."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def rates(self, samples: int) -> Rates:
        """The rates of `samples` samples since then."""
        return Rates(samples / (time.perf_counter() - self.wall), samples / (time.process_time() - self.cpu))


def example_model() -> Any:
    """The model of lightly's example, around the same backbone."""
    import copy

    import torch
    from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
    from lightly.models.utils import deactivate_requires_grad

    from streamseg.backbones import Spec
    from train.encoder import open_encoder

    backbone = open_encoder(Spec("efficientnet_lite0"))

    class BYOL(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.projection_head = BYOLProjectionHead(backbone.dim, 4096, 256)
            self.prediction_head = BYOLPredictionHead(256, 4096, 256)
            self.backbone_momentum = copy.deepcopy(self.backbone)
            self.projection_head_momentum = copy.deepcopy(self.projection_head)
            deactivate_requires_grad(self.backbone_momentum)
            deactivate_requires_grad(self.projection_head_momentum)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.prediction_head(self.projection_head(self.backbone(x).pooled))

        def forward_momentum(self, x: torch.Tensor) -> torch.Tensor:
            return self.projection_head_momentum(self.backbone_momentum(x).pooled).detach()

    return BYOL()


def lightlys(folder: str, steps: int, batch_size: int, size: int, workers: int, threads: int) -> Rates:
    """Rates of the reference loop."""
    import torch
    from lightly.data import LightlyDataset
    from lightly.loss import NegativeCosineSimilarity
    from lightly.models.utils import update_momentum
    from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform
    from lightly.utils.scheduler import cosine_schedule

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = example_model().to(device)
    transform = BYOLTransform(BYOLView1Transform(input_size=size), BYOLView2Transform(input_size=size))
    dataset = LightlyDataset(folder, transform=transform)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=batch_size, shuffle=True, drop_last=True, num_workers=workers
    )
    criterion = NegativeCosineSimilarity()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06)
    done, clock = 0, Clock()
    while done < steps:
        for batch in loader:
            momentum = cosine_schedule(done, steps, 0.996, 1)
            update_momentum(model.backbone, model.backbone_momentum, m=momentum)
            update_momentum(model.projection_head, model.projection_head_momentum, m=momentum)
            x0, x1 = (view.to(device) for view in batch[0])
            p0, z0, p1, z1 = model(x0), model.forward_momentum(x0), model(x1), model.forward_momentum(x1)
            loss = 0.5 * (criterion(p0, z1) + criterion(p1, z0))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            done += 1
            if done == steps:
                break
    return clock.rates(done * batch_size)


def ours(folder: str, steps: int, batch_size: int, size: int, workers: int, threads: int) -> Rates:
    """Rates of `streamseg train byol`."""
    import pytorch_lightning as pl

    from train import run
    from train.callbacks.display import Display
    from train.folder import RunFolder
    from train.methods import byol
    from train.settings import Settings

    class Timed(Display):
        """It measures from the first thing that Lightning does to the last."""

        def setup(self, trainer: pl.Trainer, method: pl.LightningModule, stage: str) -> None:
            self.clock = Clock()

        def teardown(self, trainer: pl.Trainer, method: pl.LightningModule, stage: str) -> None:
            super().teardown(trainer, method, stage)
            self.rates = self.clock.rates(trainer.global_step * batch_size)

    settings = Settings(
        data=(folder,),
        size=size,
        batch_size=batch_size,
        steps=steps,
        workers=workers,
        save_every=steps,
        probe=False,
        pictures=False,
    )
    display = Timed(True)
    with tempfile.TemporaryDirectory() as output:
        run.run("byol", byol.METHOD, settings, byol.Options(), RunFolder(Path(output)), display)
    return display.rates


@click.command()
@click.argument("folder")
@click.option("--steps", default=20, show_default=True, help="Steps of a turn.")
@click.option("--batch-size", default=16, show_default=True, help="Samples a step.")
@click.option("--size", default=224, show_default=True, help="Side of a view, in pixels.")
@click.option("--workers", default=0, show_default=True, help="Processes that decode.")
@click.option("--threads", default=0, help="Threads of torch; 0 = its own choice.")
@click.option("--turns", default=3, show_default=True, help="Turns of each side.")
def main(folder: str, turns: int, **given: int) -> None:
    """Compare both loops on the images in FOLDER."""
    import torch

    warnings.simplefilter("ignore")
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    sides = {"streamseg": ours, "lightly": lightlys}
    found: dict[str, list[Rates]] = {name: [] for name in sides}
    for turn in range(turns):
        for name in sorted(sides, reverse=turn % 2 == 0):
            found[name].append(sides[name](folder, **given))
    report: dict[str, Any] = {}
    for kind in Rates._fields:
        rates = {name: [round(getattr(each, kind), 3) for each in of] for name, of in found.items()}
        medians = {name: statistics.median(of) for name, of in rates.items()}
        paired = [mine / theirs for mine, theirs in zip(rates["streamseg"], rates["lightly"])]
        report[f"samples_per_{kind}_second"] = rates
        report[f"{kind}_ratio_of_medians"] = round(medians["streamseg"] / medians["lightly"], 3)
        report[f"{kind}_median_of_ratios"] = round(statistics.median(paired), 3)
    click.echo(json.dumps({**report, **given}, indent=2))


if __name__ == "__main__":
    main()
