"""The network that a checkpoint is compared with, and the reasons if there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamseg.backbones import Spec, checkpoint, zoo
from streamseg.errors import ModelError
from train.probes.network import InferenceOptions, Network, starting_network

NAME = "efficientnet_lite0"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))


def write(path: Path, provenance: dict[str, Any] | None, name: str = NAME) -> Spec:
    backbone = {"name": name, "architecture": "", "layers": [4], "facet": "output", "licence": ""}
    checkpoint.write(
        path, {"method": "byol", "backbone": backbone, "state_dict": {}, "config": {}, "provenance": provenance}
    )
    return Spec(str(path))


def test_a_checkpoint_is_compared_with_the_weights_it_started_from(tmp_path: Path) -> None:
    own = zoo.recipe(Spec(NAME)).sha256
    start, about = starting_network(write(tmp_path / "a.pt", {"init": "imagenet", "init_sha256": own}))
    assert start == Spec(NAME, "", (4,), "output")
    assert about == "efficientnet_lite0 (imagenet)"


def test_layers_that_are_chosen_are_chosen_for_both(tmp_path: Path) -> None:
    spec = write(tmp_path / "a.pt", {"init": "imagenet"})
    start, _ = starting_network(Spec(spec.model, layers=(3, 4)))
    assert start is not None
    assert start.layers == (3, 4)


def test_a_file_it_started_from_is_used(tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"some weights")
    start, _ = starting_network(write(tmp_path / "a.pt", {"init": str(weights)}))
    assert start == Spec(NAME, str(weights), (4,), "output")


@pytest.mark.parametrize(
    ("provenance", "why"),
    [
        (None, "does not say which weights"),
        ({}, "does not say which weights"),
        ({"init": "none"}, "random weights"),
        ({"init": "gone.pth"}, "'gone.pth', are not here"),
        ({"init": "imagenet", "init_sha256": "0" * 64}, "have changed since"),
    ],
)
def test_reasons_why_there_is_no_comparison(provenance: dict[str, Any] | None, why: str, tmp_path: Path) -> None:
    start, about = starting_network(write(tmp_path / "a.pt", provenance))
    assert start is None
    assert why in about


def test_a_model_that_is_no_checkpoint_has_no_start() -> None:
    assert starting_network(Spec(NAME))[0] is None


def test_unknown_models_are_refused_at_once() -> None:
    with pytest.raises(ModelError, match="no backbone is called 'resnet81'"):
        Network(Spec("resnet81"), InferenceOptions())


def test_one_side_gives_a_square_input_and_two_stay_as_given() -> None:
    network = Network(Spec(NAME), InferenceOptions())
    assert network.input_size(224) == (224, 224)
    assert network.input_size(230) == (224, 224)
    assert network.input_size((100, 200)) == (96, 192)
