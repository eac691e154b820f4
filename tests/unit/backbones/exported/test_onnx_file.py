"""Tests a user's own .onnx file: it runs if it is a backbone, else an error says what was expected."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamseg.backbones import Spec, describe, open_backbone, zoo
from streamseg.backbones.exported import onnx_cache
from streamseg.errors import ModelError
from streamseg.files import sha256_of

SIZE = (96, 160)


def pooling(path, image=("n", 3, 64, 96), output="features", kind=TensorProto.FLOAT, features=("n", 3, 8, 12), **props):
    """Return a network of one average pooling by 8, whose features are the mean colour of each cell."""
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("AveragePool", ["x"], [output], kernel_shape=[8, 8], strides=[8, 8])],
            "pooling",
            [helper.make_tensor_value_info("x", kind, image)],
            [helper.make_tensor_value_info(output, kind, features)],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    helper.set_model_props(model, props)
    onnx.save(model, path)
    return Spec(str(path))


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_exported_file_gives_the_features_of_its_model(engine, opened, specs, images, tmp_path):
    wanted = opened(engine, "vit").run(images)
    path, _ = onnx_cache.onnx_file(zoo.recipe(specs("vit")), SIZE, lambda line: None)
    copy = tmp_path / "größe.onnx"
    shutil.copy(path, copy)
    shape = describe(Spec(str(copy)))
    assert (shape.stride, shape.size) == (16, SIZE)
    backbone = open_backbone(Spec(str(copy)), SIZE, engine=engine, device="cpu", precision="fp32")
    assert (backbone.name, backbone.dim, backbone.sha256) == ("timm:vit_tiny_patch16_224", 192, sha256_of(copy))
    found = backbone.run(images)
    assert found.keys() == wanted.keys() == {"features", "attention"}
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_another_size_names_the_one_it_takes(tmp_path):
    spec = pooling(tmp_path / "fixed.onnx")
    assert describe(spec).size == (64, 96)
    with pytest.raises(ModelError, match="64x96 only") as caught:
        open_backbone(spec, (64, 64))
    assert "--size 64x96" in caught.value.hint


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_free_sizes_and_other_input_names_are_fine(engine, tmp_path):
    spec = pooling(tmp_path / "free.onnx", ("n", 3, "h", "w"), features=("n", 3, "i", "j"), stride="8", dim="3")
    assert describe(spec).size is None
    backbone = open_backbone(spec, (16, 24), engine=engine, device="cpu", precision="fp32")
    images = np.random.default_rng(0).random((1, 3, 16, 24), dtype=np.float32)
    wanted = images.reshape(1, 3, 2, 8, 3, 8).mean((3, 5))
    np.testing.assert_allclose(backbone(images), wanted, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"output": "logits"},
        {"image": ("n", 4, 64, 96), "features": ("n", 4, 8, 12)},
        {"kind": TensorProto.FLOAT16},
        {"image": (4, 3, 64, 96), "features": (4, 3, 8, 12)},
    ],
)
def test_what_is_no_backbone_is_refused_with_what_was_expected(change, tmp_path):
    spec = pooling(tmp_path / "other.onnx", **change)
    with pytest.raises(ModelError, match="not a backbone") as caught:
        describe(spec)
    assert "features" in caught.value.hint


def test_a_free_size_without_metadata_lacks_its_stride(tmp_path):
    spec = pooling(tmp_path / "free.onnx", ("n", 3, "h", "w"), features=("n", 3, "i", "j"))
    with pytest.raises(ModelError, match="stride") as caught:
        describe(spec)
    assert "metadata" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x07" * 40])
def test_a_damaged_file_is_one_clear_error(content, tmp_path):
    (tmp_path / "damaged.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged\.onnx"):
        describe(Spec(str(tmp_path / "damaged.onnx")))


@pytest.mark.parametrize("props", [{"stride": "eight"}, {"stride": "-8"}, {"stride": "0", "dim": "x"}])
def test_nonsense_in_the_metadata_is_one_clear_error(props, tmp_path):
    spec = pooling(tmp_path / "odd.onnx", ("n", 3, "h", "w"), features=("n", "d", "i", "j"), **props)
    with pytest.raises(ModelError, match=r"odd\.onnx"):
        describe(spec)


def test_torch_and_half_precision_cannot_run_an_exported_file(tmp_path):
    spec = pooling(tmp_path / "fixed.onnx")
    with pytest.raises(ModelError, match="torch does not run"):
        open_backbone(spec, (64, 96), engine="torch")
