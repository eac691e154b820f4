"""Correlation of the label-free score of `train` with the IoU of true masks, over checkpoints of several runs.

    python tests/benchmarks/label_free.py RECORDING... -o OUT [--steps N] [--size N] [--run NAME]...

The RECORDINGs have masks, which training does not use. Each run is trained on all of them, and keeps a checkpoint after
each third of its steps. Every checkpoint, and the network that all started from, gets the label-free score and the
dense probe's IoU of true masks. The script prints the rank correlation (Spearman) over the networks, for each recording
and for their mean, and the IoU that is lost by choosing the network with the highest score instead of the one with the
highest IoU. OUT keeps the checkpoints; runs that exist are not repeated.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from scipy.stats import spearmanr

from streamseg.backbones import Spec
from train.data.recordings import open_recordings
from train.probes.dense import DenseProbe
from train.probes.evaluators import WINDOW, with_objects
from train.probes.label_free import LabelFreeProbe
from train.probes.network import InferenceOptions, Network
from train.settings import Settings

RUNS = {
    "selftrain": ("selftrain",),
    "byol": ("byol",),
    "odin": ("odin", "--average", "0.25"),
    "byol, all of the net, high rate": ("byol", "--preset", "pretrain", "--lr", "0.01"),
}
"""The last one damages the network, which a useful score must show."""


def checkpoints(runs: Sequence[str], sources: Sequence[str], output: Path, steps: int) -> dict[str, Spec]:
    """The networks by name, the start first."""
    found = {"start": Spec("efficientnet_lite0")}
    for number, (name, words) in enumerate(RUNS.items()):
        if name not in runs:
            continue
        folder = output / f"{number}-{words[0]}"
        if not (folder / "run.json").is_file():
            command = [sys.executable, "-m", "streamseg", "train", *words, "-o", str(folder), "--steps", str(steps)]
            command += [
                "--size",
                "128",
                "--batch-size",
                "8",
                "--save-period",
                str(max(1, steps // 3)),
                "--no-probe",
                "--no-pictures",
            ]
            subprocess.run([*command, "--quiet", *(part for one in sources for part in ("--data", one))], check=True)
        for file in sorted((folder / "checkpoints").glob("step-*.pt")):
            found[f"{name}, step {int(file.stem[5:])}"] = Spec(str(file))
    return found


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the runs.")
@click.option("--steps", default=60, show_default=True, help="Steps of each run.")
@click.option("--size", default=384, show_default=True, help="Shorter side of the scored images, in pixels.")
@click.option(
    "--run", "runs", multiple=True, type=click.Choice(list(RUNS)), default=list(RUNS), help="Runs to train and compare."
)
def main(sources: Sequence[str], output: Path, steps: int, size: int, runs: Sequence[str]) -> None:
    """Compare the label-free score with the IoU of true masks on SOURCES."""
    output.mkdir(parents=True, exist_ok=True)
    recordings = open_recordings(sources)
    settings = Settings(probe_size=size)
    objects = [one for recording in recordings for one in with_objects([recording], settings, print)]
    scores = LabelFreeProbe(objects, size, WINDOW, 0)
    truth = DenseProbe([one for one in recordings if one.uri in scores.frames], size, 24)
    rows = []
    for name, spec in checkpoints(runs, sources, output, steps).items():
        network = Network(spec, InferenceOptions())
        found, true = scores.result(network.clustered), truth.result(network.clustered)
        network.close()
        own = {uri: figures["agreement"] for uri, figures in found.by_group().items()}
        real = {uri: figures["iou_union"] for uri, figures in true.by_group().items()}
        rows.append((name, [own[uri] for uri in truth.frames], [real[uri] for uri in truth.frames]))
        print(f"| {name} | {np.mean(rows[-1][1]):.3f} | {np.mean(rows[-1][2]):.3f} |", flush=True)
    own_all, real_all = (np.array([row[part] for row in rows]) for part in (1, 2))
    for column, uri in enumerate(truth.frames):
        told(Path(uri).name, own_all[:, column], real_all[:, column])
    told("mean of the recordings", own_all.mean(axis=1), real_all.mean(axis=1))
    (output / "label_free.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def told(name: str, own: np.ndarray, real: np.ndarray) -> None:
    """Print one row of the second table."""
    lost = real.max() - real[own.argmax()]
    print(f"| {name} | {spearmanr(own, real).statistic:+.2f} | {real[0]:.3f} | {real.max():.3f} | {lost:.3f} |")


if __name__ == "__main__":
    main()
