"""BYOL's throughput, `streamseg train` against lightly's own reference loop: same frames, batch, backbone, in turn.

    python tests/benchmarks/byol_throughput.py FOLDER_OF_IMAGES [--steps 20] [--batch-size 16] [--size 224] ...

lightly's loop is the PyTorch example of its documentation: LightlyDataset, BYOLTransform, update_momentum, SGD.
Prints samples/s of each turn and the ratio of the medians.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import click


def lightlys(folder: str, steps: int, batch_size: int, size: int, workers: int, threads: int) -> float:
    """Samples/s of the reference loop."""
    import copy

    import torch
    from lightly.data import LightlyDataset
    from lightly.loss import NegativeCosineSimilarity
    from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum
    from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform
    from lightly.utils.scheduler import cosine_schedule

    from streamseg.backbones import Spec
    from train.encoder import open_encoder

    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = open_encoder(Spec("efficientnet_lite0"))

    class BYOL(torch.nn.Module):
        """The model of lightly's example, around the same backbone."""

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

    model = BYOL().to(device)
    transform = BYOLTransform(BYOLView1Transform(input_size=size), BYOLView2Transform(input_size=size))
    dataset = LightlyDataset(folder, transform=transform)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=batch_size, shuffle=True, drop_last=True, num_workers=workers
    )
    criterion = NegativeCosineSimilarity()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06)
    began, done = time.perf_counter(), 0
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
    return done * batch_size / (time.perf_counter() - began)


def ours(folder: str, steps: int, batch_size: int, size: int, workers: int, threads: int) -> float:
    """Samples/s of `streamseg train byol`: the whole of it, checks, table and last checkpoint included."""
    from train import run
    from train.display import Display
    from train.methods import byol
    from train.settings import Settings

    settings = Settings(
        data=(folder,), size=size, batch_size=batch_size, steps=steps, workers=workers, save_every=steps
    )
    with tempfile.TemporaryDirectory() as output:
        result = run.run("byol", byol.METHOD, settings, byol.Options(), Path(output), False, Display(True))
    return float(result["samples_per_second"])


@click.command()
@click.argument("folder")
@click.option("--steps", default=20)
@click.option("--batch-size", default=16)
@click.option("--size", default=224)
@click.option("--workers", default=0)
@click.option("--threads", default=0, help="0 = torch's own choice.")
@click.option("--turns", default=3)
def main(folder: str, turns: int, **given: int) -> None:
    """Compare both loops on the images in FOLDER."""
    import torch

    warnings.simplefilter("ignore")
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    found: dict[str, list[float]] = {"streamseg": [], "lightly": []}
    for _ in range(turns):
        found["streamseg"].append(ours(folder, **given))
        found["lightly"].append(lightlys(folder, **given))
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    ratio = medians["streamseg"] / medians["lightly"]
    click.echo(json.dumps({"samples_per_second": found, "ratio": ratio, **given}, indent=2))


if __name__ == "__main__":
    main()
