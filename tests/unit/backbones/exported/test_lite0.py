"""Compares the directly written graph of the default network with PyTorch's: values, interface and metadata."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from streamseg.backbones import OPSET, Spec, zoo
from streamseg.backbones.exported import cached, lite0, onnx_cache
from streamseg.backbones.networks import timm_networks, to_onnx

RECIPE = zoo.recipe(Spec("efficientnet_lite0"))


def dims(model):
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }


@pytest.mark.parametrize("size", [(96, 160), (224, 64)])
def test_it_computes_what_pytorch_computes(size, tmp_path):
    lite0.write(RECIPE, size, tmp_path / "net.onnx")
    network, _ = timm_networks.build(RECIPE, size)
    images = np.random.default_rng(size[0]).random((2, 3, *size), dtype=np.float32)
    images[1] *= 0.3
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    found = session.run(list(network.outputs), {"images": images})
    with torch.inference_mode():
        wanted = network(torch.from_numpy(images))
    for mine, its in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, its.numpy(), rtol=0, atol=1e-5)


def test_the_file_is_sound_and_says_what_the_traced_one_says(tmp_path):
    facts = lite0.write(RECIPE, (96, 160), tmp_path / "net.onnx")
    _, traced = to_onnx.write(RECIPE, (96, 160), tmp_path / "traced.onnx")
    mine, its = onnx.load(tmp_path / "net.onnx"), onnx.load(tmp_path / "traced.onnx")
    onnx.checker.check_model(mine, full_check=True)
    assert facts == traced
    assert dims(mine) == dims(its)
    assert dims(mine) == {
        "images": ["batch", 3, 96, 160],
        "features": ["batch", 432, 6, 10],
        "energy": ["batch", 1, 6, 10],
    }
    assert list(mine.metadata_props) == list(its.metadata_props)
    assert [one.version for one in mine.opset_import] == [one.version for one in its.opset_import] == [OPSET]
    assert mine.ir_version <= its.ir_version


def test_the_weights_are_those_that_are_installed():
    assert lite0.describes(RECIPE, "fp32")
    assert RECIPE.sha256 == lite0.SHA256


CHANGES = {"architecture": "tf_efficientnet_lite1.in1k", "layers": (5,), "head": "foreground"}


@pytest.mark.parametrize("field", CHANGES)
def test_another_network_is_not_its(field):
    assert not lite0.describes(dataclasses.replace(RECIPE, **{field: CHANGES[field]}), "fp32")
    assert not lite0.describes(RECIPE, "fp16")


def test_other_weights_go_through_pytorch_and_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv(cached.VARIABLE, str(tmp_path))
    monkeypatch.setattr(lite0, "write", None)  # whoever called it would fail
    tensors = torch.load(RECIPE.file, weights_only=True)
    torch.save(tensors | {"_bn0.bias": tensors["_bn0.bias"] + 1}, tmp_path / "other.pth")
    lines: list[str] = []
    recipe = zoo.recipe(Spec("efficientnet_lite0", str(tmp_path / "other.pth")))
    _, facts = onnx_cache.onnx_file(recipe, (64, 64), lines.append)
    assert facts.sha256 == recipe.sha256 != lite0.SHA256
    assert "with PyTorch: its weights are not those" in lines[0]
