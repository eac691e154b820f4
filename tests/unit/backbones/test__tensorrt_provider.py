"""Tests the options of ONNX Runtime's TensorRT provider: names, shapes and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.backbones import Spec, _tensorrt_provider, machine, open_backbone
from streamseg.errors import ModelError


def test_the_provider_needs_a_gpu_too_and_says_so_before_the_export(tmp_path, monkeypatch):
    if machine.has_gpu():
        pytest.skip("there is a GPU")
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="needs an NVIDIA GPU"):
        open_backbone(Spec("efficientnet_lite0"), (96, 160), device="tensorrt")
    assert not list(tmp_path.rglob("*.onnx"))


def test_onnx_runtimes_engines_are_built_at_once_for_any_batch_of_a_stream():
    free = _tensorrt_provider.profiles("images", (0, 3, 0, 0), (96, 160))
    assert free == _tensorrt_provider.profiles("images", (0, 3, 96, 160), (96, 160))
    assert free == {
        "trt_profile_min_shapes": "images:1x3x96x160",
        "trt_profile_opt_shapes": "images:1x3x96x160",
        "trt_profile_max_shapes": "images:8x3x96x160",
    }
    fixed = _tensorrt_provider.profiles("x", (1, 3, 0, 0), (96, 160))
    assert set(fixed.values()) == {"x:1x3x96x160"}
    assert _tensorrt_provider.profiles("x", (1, 3, 96, 160), (96, 160)) == {}


def test_onnx_runtimes_engines_are_kept_apart_by_all_that_decides_them(tmp_path, cache):
    one = _tensorrt_provider.key("a", (96, 160), ("tensorrt 10.16",))
    others = [("b", (96, 160), ("tensorrt 10.16",)), ("a", (160, 96), ("tensorrt 10.16",)), ("a", (96, 160), ())]
    assert one == _tensorrt_provider.key("a", (96, 160), ("tensorrt 10.16",))
    assert len({one, *(_tensorrt_provider.key(*other) for other in others)}) == 4
    assert any(found.startswith("onnxruntime") for found in _tensorrt_provider.versions())
    said: list[str] = []
    folders = []
    for value in (1.0, 2.0):  # the same name and graph, other weights: the provider alone would take them for one
        options = _tensorrt_provider.options(scaling(tmp_path / "net.onnx", value), (96, 160), said.append)
        folders.append(options["trt_engine_cache_path"])
        assert Path(folders[-1]).is_dir()
        assert options["trt_profile_max_shapes"] == "pixels:8x3x96x160"
        assert options["trt_timing_cache_path"] == str(cache / "tensorrt")
    assert folders[0] != folders[1]
    assert len(said) == 2
    (Path(folders[1]) / "some.engine").touch()
    _tensorrt_provider.options(tmp_path / "net.onnx", (96, 160), said.append)
    assert len(said) == 2


def scaling(path: Path, value: float) -> Path:
    """Write an ONNX file that multiplies its input by a weight, `value`."""
    sides = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["pixels", "scale"], ["features"])],
        "scaling",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, sides)],
        [numpy_helper.from_array(np.float32([value]), "scale")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path
