"""The main job beside the report's method as a plain script: the speed tables of docs/benchmarks/speed.md.

    python tests/benchmarks/main_job.py RECORDING [--weights STEM_TO_LAYER3] [--turns 3] [--only against|engines|long]

There are three scenarios, each of one or more calls of `streamseg bench`:

against   ResNet-18 down to its last stage and the default model, at 256 and 512 pixels. Both sides write an overlay
          video and use the same weights. Stages that --weights lacks are random, with a seed: speed is the same.
engines   every engine and precision of this machine, with the default model and size.
long      20,000 frames of the recording in a loop, with objects: speed, memory, open files and ids at the start and at
          the end.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from streamseg.backbones import Spec
from streamseg.bench import runner


def whole_resnet18(stages: str, folder: str) -> str:
    """A file with the weights of all of ResNet-18: random with a seed, except for those in the file `stages`."""
    import timm
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    tensors = timm.create_model("resnet18", pretrained=False).state_dict()
    tensors |= load_file(stages) if stages else {}
    path = Path(folder) / "resnet18.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return str(path)


def against(recording: str, weights: str, turns: int) -> dict[str, Any]:
    """The plain script with ResNet-18 beside streamseg with the same network, and with its default model and mode."""
    found = {}
    for size in (256, 512):
        for name, spec in (("resnet18", Spec("resnet18", weights)), ("default", Spec("efficientnet_lite0"))):
            task = runner.Bench(
                recording, turns=turns, against="report", against_weights=weights, engines=("openvino",)
            ).but(spec=spec, size=(size, size))
            found[f"{name} at {size}"] = runner.run(task, say)
    return found


def engines(recording: str, weights: str, turns: int) -> dict[str, Any]:
    return runner.run(runner.Bench(recording, turns=turns), say)


def long(recording: str, weights: str, turns: int) -> dict[str, Any]:
    task = runner.Bench(recording, turns=1, frames=20_000, engines=("openvino",), save=("overlay", "objects"))
    return runner.run(task.but(size=128, objects=True, regions=False), say)


SCENARIOS = {"against": against, "engines": engines, "long": long}


def say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@click.argument("recording")
@click.option("--weights", default="", help="A .safetensors file with some or all of ResNet-18.")
@click.option("--turns", default=3, show_default=True, help="As in bench.")
@click.option("--only", type=click.Choice(sorted(SCENARIOS)), help="Run this scenario alone.")
def main(recording: str, weights: str, turns: int, only: str | None) -> None:
    """Run the scenarios on RECORDING, and print the results as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        file = whole_resnet18(weights, folder)
        found = {name: run(recording, file, turns) for name, run in SCENARIOS.items() if only in (None, name)}
    click.echo(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
