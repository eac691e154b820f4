"""Tests the errors for networks that a runtime cannot use, or whose outputs differ from their metadata."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.backbones import open_backbone
from streamseg.config import Spec
from streamseg.errors import ModelError

SIZE = (32, 48)
CONV = helper.make_node("Conv", ["images", "w"], ["c"], strides=[16, 16])


def network(path: Path, *behind: Any, values: dict[str, Any] | None = None, dim: int = 4, stride: int = 16) -> Path:
    """Return a convolution to 4 features, followed by the nodes `behind`, from c to features. values: their
    constants."""
    weights = {"w": np.random.default_rng(0).normal(size=(4, 3, 16, 16)).astype(np.float32), **(values or {})}
    graph = helper.make_graph(
        [CONV, *(behind or [helper.make_node("Identity", ["c"], ["features"])])],
        "made",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ("n", 3, "H", "W"))],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ("n", "d", "h", "w"))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)])
    model.ir_version = 8
    helper.set_model_props(model, {"dim": str(dim), "stride": str(stride), "backbone": "made"})
    onnx.save(model, path)
    return path


def unknown(path: Path) -> Path:
    return network(path, helper.make_node("Frobnicate", ["c"], ["features"], domain="com.acme"))


def other_size(path: Path) -> Path:
    shape = np.array([1, 4, 7, 7])
    return network(path, helper.make_node("Reshape", ["c", "shape"], ["features"]), values={"shape": shape})


def no_numbers(path: Path) -> Path:
    return network(path, helper.make_node("Mul", ["c", "x"], ["features"]), values={"x": np.float32("nan")})


def other_dim(path: Path) -> Path:
    return network(path, dim=5)


def other_stride(path: Path) -> Path:
    return network(path, stride=8)


def without_weights(path: Path) -> Path:
    model = onnx.load(network(path))
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    (path.parent / "weights").unlink()
    return path


def refusal(path: Path, engine: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        open_backbone(Spec(str(path)), SIZE, engine=engine, device="cpu")
    assert "\n" not in caught.value.message + caught.value.hint
    assert len(caught.value.message) < len(str(path)) * 2 + 300
    return caught.value


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    ("make", "says", "hint"),
    [
        (unknown, "Fro", "without the operation"),
        (other_size, "shape", "--size"),
        (no_numbers, "NaN", "--precision fp32"),
        (other_dim, r"\(1, 5, 2, 3\)", "`dim`"),
        (other_stride, r"\(1, 4, 4, 6\)", "`stride`"),
        (without_weights, "weights", "copy the file of its weights"),
    ],
)
def test_a_network_that_cannot_be_used(
    make: Callable[[Path], Path], says: str, hint: str, engine: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    error = refusal(make(tmp_path / "net.onnx"), engine)
    assert re.search(says, error.message)
    assert hint in error.hint
    assert capfd.readouterr().err == ""  # the runtime's own account would stand above it


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_one_that_is_what_it_says_runs(engine: str, tmp_path: Path) -> None:
    backbone = open_backbone(Spec(str(network(tmp_path / "net.onnx"))), SIZE, engine=engine, device="cpu")
    assert backbone(np.zeros((1, 3, *SIZE), np.float32)).shape == (1, 4, 2, 3)


def test_indices_that_no_feature_has(tmp_path: Path) -> None:
    picks = helper.make_node("Gather", ["c", "ids"], ["features"], axis=1)
    error = refusal(network(tmp_path / "net.onnx", picks, values={"ids": np.arange(4) + 9}), "onnxruntime")
    assert "out of data bounds" in error.message
