"""Tests that wrong contents of a checkpoint raise a clear error, and cause no other file to be read."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamseg.backbones import Spec, checkpoint, zoo
from streamseg.errors import ModelError

BACKBONE = {"name": "resnet18", "architecture": "resnet18.tv_in1k", "layers": [4], "facet": "output", "licence": "MIT"}
WORD = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2))
ANY = st.one_of(WORD, st.dictionaries(st.text(max_size=5), WORD, max_size=2))


def written(folder: Path, **changed: Any) -> Path:
    path = folder / "made.pt"
    whole = {"method": "byol", "backbone": BACKBONE, "config": {}, "provenance": {}, "training": None}
    torch.save({"format": 1, "streamseg": "0.1.0", "state_dict": {"w": torch.zeros(1)}} | whole | changed, path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("typed", ["trained", "trained/", "trained/run.json"])
def test_the_folder_of_a_training_run_is_answered_with_its_checkpoint(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trained").mkdir()
    for name in ("last.pt", "best.pt"):
        written(tmp_path).rename(f"trained/{name}")
        with pytest.raises(ModelError) as refusal:
            zoo.recipe(Spec(typed))
        assert refusal.value.hint == f"give the checkpoint of that run: trained/{name}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["backbone", "method", "provenance", "config", "training", "state_dict", "head", "format"]),
    ANY,
    st.sampled_from(["", "name", "facet", "layers", "licence", "architecture"]),
)
def test_any_field_of_any_type_is_read_or_refused(tmp_path: Path, field: str, value: Any, inner: str) -> None:
    changed = {"backbone": BACKBONE | {inner: value}} if inner and field == "backbone" else {field: value}
    path = written(tmp_path, **changed)
    with suppress(ModelError):
        assert zoo.recipe(Spec(str(path))).architecture == "resnet18.tv_in1k"


@pytest.mark.parametrize("lacking", ["name", "facet", "layers"])
def test_a_field_that_lacks(tmp_path: Path, lacking: str) -> None:
    path = written(tmp_path, backbone={key: value for key, value in BACKBONE.items() if key != lacking})
    with pytest.raises(ModelError, match=lacking if lacking != "name" else "no name"):
        zoo.recipe(Spec(str(path)))


@pytest.mark.parametrize(
    "name",
    ["made.pt", "/tmp/made.pt", "timm:hf-hub:nobody/x", "timm:local-dir:/etc", "hf_hub:a/b", "http://a/b", "net.onnx",
     "../a", "a\x1b[2J", "timm:x/y"],
)  # fmt: skip
def test_a_network_by_a_file_or_an_address_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="damaged checkpoint") as caught:
        zoo.recipe(Spec(str(written(tmp_path, backbone=BACKBONE | {"name": name}))))
    assert repr(name) not in caught.value.message  # nor is it shown


def test_a_hub_is_not_asked_by_a_name_of_timm_either() -> None:
    with pytest.raises(ModelError, match="not a network of timm"):
        zoo.recipe(Spec("timm:hf-hub:nobody/x"))


def test_a_damaged_checkpoint_as_weights_is_refused_and_other_weights_are_not_asked_for_a_head(tmp_path: Path) -> None:
    path = written(tmp_path, backbone=BACKBONE | {"layers": "4"})
    with pytest.raises(ModelError, match="damaged checkpoint"):
        zoo.recipe(Spec("resnet18", str(path)))
    for content in ({"w": torch.zeros(1)}, {"state_dict": {}, "backbone": {}, "format": 1}, [1]):
        torch.save(content, path)
        assert zoo.recipe(Spec("resnet18", str(path))).head == ""


def test_a_header_that_was_altered_in_the_cache_is_read_again(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path)
    zoo.recipe(Spec(str(path)))
    (known,) = cache.rglob("checkpoint-*.json")
    for harm in ("[" * 100_000, json.dumps(json.loads(known.read_text()) | {"backbone": {"name": "timm:hf-hub:a/b"}})):
        known.write_text(harm)
        assert zoo.recipe(Spec(str(path))).name == "resnet18"
    assert checkpoint.read_header(path)["backbone"] == BACKBONE
