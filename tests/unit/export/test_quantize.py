"""Int8 quantization: what it keeps, what it leaves alone, and that it computes the same on frames it never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export import frames, quantize, verify
from streamseg.backbones import Spec, open_backbone, write_onnx
from streamseg.errors import ModelError

CHANNELS = 8


def network(path: Path, spread: float = 1.0, opset: int = 18) -> Path:
    """conv `first` -> conv `second` -> conv `third` -> L2 norm, on 16 x 16 pixels.

    spread: by how much the ranges of the channels between `first` and `second` differ; `second` takes that back.
    """
    random = np.random.default_rng(0)
    scales = np.geomspace(1, spread, CHANNELS)
    weights = {
        "a": random.normal(size=(CHANNELS, 3, 3, 3)) * scales[:, None, None, None],
        "b": random.normal(size=(CHANNELS, CHANNELS, 1, 1)) / scales[None, :, None, None],
        "c": random.normal(size=(CHANNELS, CHANNELS, 3, 3)),
    }
    nodes = [
        helper.make_node("Conv", ["images", "a"], ["x"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["x", "b"], ["y"], name="second"),
        helper.make_node("Relu", ["y"], ["z"], name="relu"),
        helper.make_node("Conv", ["z", "c"], ["w"], name="third", pads=[1, 1, 1, 1]),
        helper.make_node("LpNormalization", ["w"], ["features"], axis=1, p=2),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value("images", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [value("features", TensorProto.FLOAT, ["n", CHANNELS, 16, 16])],
        [numpy_helper.from_array(weight.astype(np.float32), name) for name, weight in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    helper.set_model_props(model, {"backbone": "small", "licence": "none"})
    onnx.save(model, path)
    return path


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3, 16, 16), dtype=np.float32)


def outputs(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip((value.name for value in session.get_outputs()), session.run(None, {"images": images})))


def integer_layers(path: Path) -> set[str]:
    """Layers whose weights come out of DequantizeLinear."""
    graph = onnx.load(path).graph
    dequantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return {node.name for node in graph.node if node.op_type in quantize.OPERATORS and node.input[1] in dequantized}


def test_every_layer_of_an_easy_network_is_quantized(tmp_path: Path) -> None:
    fp32, int8 = network(tmp_path / "fp32.onnx"), tmp_path / "int8.onnx"
    lines: list[str] = []
    quantize.quantize(fp32, int8, pictures(8), lines.append)
    assert integer_layers(int8) == {"first", "second", "third"}
    assert "3 of 3 layers" in lines[-1]
    images = pictures(3, seed=1)
    found = verify.difference("features", outputs(fp32, images)["features"], outputs(int8, images)["features"])
    assert 0.99 < found.cosine < 1


def test_the_file_keeps_metadata_and_float_ends(tmp_path: Path) -> None:
    fp32, int8 = network(tmp_path / "fp32.onnx"), tmp_path / "int8.onnx"
    quantize.quantize(fp32, int8, pictures(4), lambda line: None)
    model = onnx.load(int8)
    onnx.checker.check_model(model, full_check=True)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said == {"backbone": "small", "licence": "none", "precision": "int8"}
    ends = [*model.graph.input, *model.graph.output]
    assert [(end.name, end.type.tensor_type.elem_type) for end in ends] == [
        ("images", TensorProto.FLOAT),
        ("features", TensorProto.FLOAT),
    ]
    assert {entry.domain for entry in model.opset_import} == {""}


def test_weights_are_symmetric_per_channel_and_of_seven_bits(tmp_path: Path) -> None:
    fp32, int8 = network(tmp_path / "fp32.onnx"), tmp_path / "int8.onnx"
    quantize.quantize(fp32, int8, pictures(4), lambda line: None)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(int8).graph.initializer}
    weights = {name: array for name, array in stored.items() if array.dtype == np.int8 and array.ndim == 4}
    assert len(weights) == 3
    for name, weight in weights.items():
        assert np.abs(weight.astype(int)).max() <= 64
        assert stored[name.replace("_quantized", "_scale")].shape == (CHANNELS,)
        assert not stored[name.replace("_quantized", "_zero_point")].any()


def test_layers_that_lose_too_much_stay_float(tmp_path: Path) -> None:
    fp32, int8 = network(tmp_path / "fp32.onnx", spread=1e4), tmp_path / "int8.onnx"
    lines: list[str] = []
    quantize.quantize(fp32, int8, pictures(8), lines.append)
    assert integer_layers(int8) == {"third"}
    assert "first" in lines[-1]
    assert "second" in lines[-1]
    images = pictures(3, seed=1)
    found = verify.difference("features", outputs(fp32, images)["features"], outputs(int8, images)["features"])
    assert found.cosine > 1 - 2 * quantize.BUDGET


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    fp32 = network(tmp_path / "fp32.onnx")
    for name in ("one", "two"):
        quantize.quantize(fp32, tmp_path / name, pictures(4), lambda line: None)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_opset_without_channel_scales_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="opset 13, not 12") as caught:
        quantize.quantize(network(tmp_path / "old.onnx", opset=12), tmp_path / "o", pictures(2), lambda line: None)
    assert "--opset" in caught.value.hint
    assert not (tmp_path / "o").exists()


@given(st.dictionaries(st.text(max_size=3), st.floats(-1e-3, 1) | st.just(float("nan")), max_size=30))
def test_within_budget_selects_layers_up_to_the_budget(losses: dict[str, float]) -> None:
    kept, left = quantize.within_budget(losses)
    assert sorted(kept + left) == sorted(losses)
    assert sum(max(losses[name], 0) for name in kept) <= quantize.BUDGET + 1e-12
    assert not any(np.isnan(losses[name]) for name in kept)
    largest = max((losses[name] for name in kept), default=-1.0)
    assert all(np.isnan(losses[name]) or losses[name] >= largest for name in left)


def test_resnet_passes_its_gate_on_another_recording(shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "resnet18_imagenet_stem_to_layer3.safetensors"
    size = (128, 160)
    spec = Spec("resnet18", str(weights), (3, 4))
    fp32, int8 = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    write_onnx(spec, size, fp32)
    recording = shared / "data" / "tum_fr1_rpy" / "rgbd_dataset_freiburg1_rpy"
    quantize.quantize(fp32, int8, frames.load(str(recording), size, 8), lambda line: None)
    assert int8.stat().st_size < 0.4 * fp32.stat().st_size
    images = frames.load(str(shared / "data" / "video_bedroom_frames"), size, 4)
    reference = open_backbone(spec, size, engine="torch", device="cpu", precision="fp32")
    comparison = verify.compare(reference.run, lambda batch: outputs(int8, batch), images)
    verify.gate("resnet18", "int8", [comparison])
