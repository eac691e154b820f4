"""Tests the cache of exported networks: its keys, verification, damaged and incomplete files."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest

from streamseg.backbones import Recipe, Spec, open_backbone, zoo
from streamseg.backbones.exported import cached, onnx_cache, onnx_file
from streamseg.errors import ModelError

SIZE = (96, 160)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture(scope="session")
def exported(opened, specs):
    """The file and the facts of the default network, exported by the first test that needs them."""
    opened("onnxruntime", "joined")
    return onnx_cache.onnx_file(zoo.recipe(specs("joined")), SIZE, lambda line: None)


RECIPE = Recipe("net", "timm_net", "cnn", "a.pth", "abc", (4, 5), (3, 4), (16, 32), "output", "MIT")
CHANGES = {"name": "other", "architecture": "other", "sha256": "abd", "layers": (5,), "indices": (4,), "facet": "key"}


def test_every_deciding_field_changes_the_file_name(monkeypatch):
    stem = onnx_cache.file_stem
    names = {stem(RECIPE, SIZE, "fp32"), stem(RECIPE, SIZE[::-1], "fp32"), stem(RECIPE, SIZE, "fp16")}
    names |= {stem(dataclasses.replace(RECIPE, **{field: value}), SIZE, "fp32") for field, value in CHANGES.items()}
    monkeypatch.setattr("streamseg.__version__", "99")
    names.add(stem(RECIPE, SIZE, "fp32"))
    monkeypatch.setattr(onnx_cache, "EXPORT_FORMAT", 99)
    names.add(stem(RECIPE, SIZE, "fp32"))
    assert len(names) == 3 + len(CHANGES) + 2


def test_the_same_weights_under_another_path_share_a_file():
    moved = dataclasses.replace(RECIPE, file="b.pth")
    assert onnx_cache.file_stem(moved, SIZE, "fp32") == onnx_cache.file_stem(RECIPE, SIZE, "fp32")


def test_file_names_are_plain():
    stem = onnx_cache.file_stem(dataclasses.replace(RECIPE, name="timm:../x y"), SIZE, "fp32")
    assert not set(stem) & set("/\\: ")


def test_the_file_says_what_it_is(exported):
    path, facts = exported
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said | {"source_sha256": "", "streamseg": ""} == {
        "streamseg": "",
        "method": "",
        "backbone": "efficientnet_lite0",
        "architecture": "tf_efficientnet_lite0.in1k",
        "layers": "4,5",
        "facet": "output",
        "stride": "16",
        "multiple": "32",
        "precision": "fp32",
        "dim": "432",
        "size": "96x160",
        "licence": "Apache-2.0",
        "source_sha256": "",
    }
    assert said["source_sha256"] == facts.sha256 != ""
    (image,), (features, energy) = model.graph.input, model.graph.output
    dims = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (image, features, energy)
    ]
    assert dims == [["batch", 3, 96, 160], ["batch", 432, 6, 10], ["batch", 1, 6, 10]]
    assert onnx_file.read(path) == facts


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "no note", "bad note", "no file"])
def test_a_damaged_file_is_made_again_and_that_is_said(damage, exported, specs, lines):
    path, facts = exported
    whole, note = path.read_bytes(), path.with_suffix(".json")
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no file":
        path.unlink()
    elif damage == "no note":
        note.unlink()
    else:
        note.write_text("{}")
    again = onnx_cache.onnx_file(zoo.recipe(specs("joined")), SIZE, lines.append)
    assert again == (path, facts)
    assert ("damaged" in lines[0]) == (damage != "no file")
    assert any("preparing" in line for line in lines)
    lines.clear()
    assert onnx_cache.onnx_file(zoo.recipe(specs("joined")), SIZE, lines.append) == (path, facts)
    assert "from the cache" in lines[0]
    assert not [file for file in path.parent.iterdir() if file.name.startswith(".")]


def test_a_wrong_export_gets_no_name(monkeypatch, tmp_path):
    """An exported network that differs from torch is refused, and leaves no file."""
    from streamseg.backbones.networks import to_onnx

    monkeypatch.setenv(cached.VARIABLE, str(tmp_path))
    honest = to_onnx.export

    def twisted(network, size, path, opset):
        network.mean += 0.05
        try:
            return honest(network, size, path, opset)
        finally:
            network.mean -= 0.05

    monkeypatch.setattr(to_onnx, "export", twisted)
    with pytest.raises(ModelError, match="differs") as caught:
        onnx_cache.onnx_file(zoo.recipe(Spec("efficientnet_lite0", layers=(5,))), (64, 64), lambda line: None)
    assert "--engine torch" in caught.value.hint
    assert list((tmp_path / "models").iterdir()) == []


def test_half_precision_is_close_and_takes_half_the_space(exported, specs, images):
    import onnxruntime

    path, _ = exported
    half, facts = onnx_cache.onnx_file(zoo.recipe(specs("joined")), SIZE, lambda line: None, "fp16")
    assert half.stat().st_size < 0.6 * path.stat().st_size
    assert (facts.size, facts.precision) == (SIZE, "fp16")
    wanted, found = (
        onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]
        for file in (path, half)
    )
    assert found.dtype == np.float32
    assert 1e-6 < np.abs(found - wanted).max() < 2e-2
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_cache_folder_that_cannot_be_made_is_one_clear_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cached.VARIABLE, str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cache folder") as caught:
        open_backbone(Spec("efficientnet_lite0"), SIZE)
    assert cached.VARIABLE in caught.value.hint
