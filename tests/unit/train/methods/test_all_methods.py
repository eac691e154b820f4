"""Requirements of every method: a finite and falling loss without collapse, and a checkpoint that the pipeline
opens."""

from __future__ import annotations

import csv
import io
import itertools
import math
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from streamseg import plugins
from streamseg.backbones import Spec, checkpoint, open_backbone
from streamseg.sources import open_source
from train import methods, run
from train.callbacks.display import Display
from train.data.samples import CACHE_SCALE
from train.folder import RunFolder
from train.method import Method
from train.settings import Settings

STEPS = 10
BATCHES = 3
SMALL: dict[str, Any] = {"size": 64, "batch_size": 4, "steps": STEPS, "layers": (3, 4)}
"""Stages 3 and 4 see 64 pixels as 8 and 4 cells, as stages 4 and 5 do a view of 128, for half of the work."""
SETTINGS: dict[str, dict[str, Any]] = {"wmse": {"batch_size": 8}, "dino": {"steps": 30}}
"""W-MSE whitens half as many units as a batch has pairs: two of them, of a batch of four, are noise. What DINO deploys
is its teacher, which follows slowly."""
VIT = "vit_tiny_patch16_224_imagenet.safetensors"
OF_VITS = ("dino_heads",)
METHODS = list(plugins.describe(methods.__file__))
CHANGES: dict[str, dict[str, Any]] = {
    "distill": {"teacher": "efficientnet_lite0"},  # its default has to be downloaded
    "moco": {"queue": 64},  # filling its 64 batches takes longer than the steps
}
"""Options other than a method's defaults, where ten steps on ten frames are too few for them."""


def train(name: str, data: Path, folder: Path, **settings: Any) -> tuple[dict[str, Any], str, list[float]]:
    """Train in this process; return the summary, the messages, and the losses on the same batches before and after."""
    module = plugins.load(methods.__name__, name)
    fixed: list[float] = []

    class Measured(module.METHOD):  # type: ignore[misc, name-defined]
        """The method; single losses of small batches say little, so the same batches are looked at twice."""

        def on_train_start(self) -> None:
            super().on_train_start()
            fixed.append(on_same_batches(self))

        def on_train_end(self) -> None:
            super().on_train_end()
            fixed.append(on_same_batches(self))

    options = module.Options(**CHANGES.get(name, {}))
    said = Display(quiet=False)
    said.console = Console(file=io.StringIO(), width=500)
    given = Settings(**{"data": (str(data),), "probe": False, "pictures": False, **SMALL, **settings})
    result = run.run(name, Measured, given, options, RunFolder(folder), said)
    return result, said.console.file.getvalue(), fixed  # type: ignore[attr-defined]


def on_same_batches(method: Method) -> float:
    """Return the mean loss of the first batches of the run, in training mode. The method is not changed."""
    state = {key: value.clone() for key, value in method.state_dict().items()}
    losses = []
    method.log_figures = lambda **figures: None  # type: ignore[method-assign]  # Lightning logs inside steps only
    with torch.random.fork_rng(), torch.no_grad():
        for number, batch in enumerate(itertools.islice(method.batches(), BATCHES)):
            torch.manual_seed(number)
            losses.append(float(method.loss(batch)))
    del method.log_figures
    method.load_state_dict(state)
    return mean(losses)


@pytest.fixture(scope="module")
def hydrant(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real sequence of CO3D, with frames no larger than views of 64 pixels need: decoding is not tested here."""
    folder = tmp_path_factory.mktemp("co3d") / "hydrant" / "194_20925_42241"
    for path in sorted((shared / "data" / "co3d_hydrant" / "hydrant" / folder.name).glob("*/*")):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        scale = CACHE_SCALE * SMALL["size"] / min(image.shape[:2])
        small = folder / path.relative_to(path.parents[1])
        small.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(small), cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return folder


@lru_cache
def features(spec: Spec, data: Path) -> np.ndarray:
    """Return the features, (1, D, h, w), of the first frame that `streamseg run` would compute."""
    with open_source(str(data)) as recording:
        frame = cv2.resize(recording[0].rgb, (64, 96), interpolation=cv2.INTER_AREA)
    images = frame.transpose(2, 0, 1)[None].astype(np.float32) / 255
    return open_backbone(spec, (96, 64), engine="torch", device="cpu")(images)


@pytest.mark.parametrize("name", METHODS)
def test_ten_steps_on_co3d(name: str, hydrant: Path, shared: Path, tmp_path: Path) -> None:
    changed = SETTINGS.get(name, {})
    if name in OF_VITS:
        weights = str(shared / "weights" / VIT)
        changed = {"backbone": "timm:vit_tiny_patch16_224", "init": weights, "layers": (), **changed}
    result, said, (before, after) = train(name, hydrant, tmp_path / "run", **changed)
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == changed.get("steps", STEPS)
    assert all(map(math.isfinite, losses))
    assert after < before, losses
    assert "warning" not in said, said
    path = Path(result["checkpoints"]["last"])
    header = checkpoint.read_header(path)
    assert header["method"] == name
    about = header["backbone"]
    start = Spec(about["name"], changed.get("init", ""), tuple(about["layers"]), about["facet"])
    frozen, trained = features(start, hydrant), features(Spec(str(path)), hydrant)
    np.testing.assert_allclose(np.linalg.norm(trained, axis=1), 1, atol=1e-4)
    assert np.abs(frozen - trained).max() > 1e-4, "what is deployed has not learnt anything"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_explains_itself(name: str) -> None:
    module = plugins.load(methods.__name__, name)
    assert "arXiv" in (module.__doc__ or "") or "doi" in (module.__doc__ or "").lower()
    assert "Deviations" in (module.__doc__ or "")
    assert all(field.metadata["help"].endswith(".") for field in fields(module.Options))
