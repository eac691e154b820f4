"""ONNX files of real networks equal PyTorch, at sizes and batches that were not traced, in several runtimes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import onnx
import openvino
import pytest

from export import frames, layers, to_onnx, verify
from export.to_onnx import Request
from streamseg.backbones import Spec, describe, open_backbone, write_onnx
from streamseg.errors import ModelError

SIZE = (64, 96)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """An empty cache folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def specs(request) -> Callable[[str], Spec]:
    """By short name; those with shared weights skip where the shared folder is absent."""

    def spec(name: str) -> Spec:
        if name == "efficientnet":
            return Spec("efficientnet_lite0")
        weights = request.getfixturevalue("shared") / "weights"
        if name == "resnet18":
            return Spec(name, str(weights / "resnet18_imagenet_stem_to_layer3.safetensors"), (3, 4))
        return Spec("timm:vit_tiny_patch16_224", str(weights / "vit_tiny_patch16_224_imagenet.safetensors"))

    return spec


@pytest.fixture(scope="session")
def exported(specs, tmp_path_factory):
    """exported(name, precision, size): (path, comparisons, log), written once for all tests. size None = dynamic."""
    known = {}
    folder = tmp_path_factory.mktemp("exported")

    def get(name, precision="fp32", size=SIZE):
        if (name, precision, size) not in known:
            path, lines = folder / f"{name}-{precision}-{size or 'free'}.onnx", []
            comparisons = to_onnx.to_onnx(Request(specs(name), size, precision, max_batch=3), path, lines.append)
            known[name, precision, size] = path, comparisons, lines
        return known[name, precision, size]

    return get


NETWORKS = ["efficientnet", "resnet18", "vit"]
FILES = [(name, "fp32", size) for name in NETWORKS for size in (SIZE, None)]
FILES += [("efficientnet", "fp16", None), ("resnet18", "fp16", SIZE), ("vit", "fp16", SIZE)]


def metadata(path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize(("name", "precision", "size"), FILES)
def test_the_file_is_valid_whole_and_says_what_it_is(name, precision, size, exported):
    path, comparisons, _ = exported(name, precision, size)
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert model.opset_import[0].version == 18
    said = metadata(path)
    assert (said["precision"], said["max_batch"]) == (precision, "3")
    assert said["size"] == ("64x96" if size else "dynamic")
    (image,) = model.graph.input
    dims = [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim]
    assert dims == ["batch", 3, *(size or ("height", "width"))]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    outputs = {value.name: value.type.tensor_type for value in model.graph.output}
    assert list(outputs) == (["features", "attention" if name == "vit" else "energy"])
    assert {output.elem_type for output in outputs.values()} == {onnx.TensorProto.FLOAT}
    assert outputs["features"].shape.dim[1].dim_value == int(said["dim"])
    assert {comparison.batch for comparison in comparisons} == {1, 3}
    assert all(verify.GATES[precision][0] <= found.cosine for c in comparisons for found in c.outputs.values())


@pytest.mark.parametrize(("name", "size"), [("efficientnet", None), ("resnet18", SIZE), ("vit", SIZE)])
def test_half_precision_takes_half_the_space(name, size, exported):
    whole, half = (exported(name, precision, size)[0].stat().st_size for precision in ("fp32", "fp16"))
    assert 0.45 < half / whole < 0.6
    types = {tensor.data_type for tensor in onnx.load(exported(name, "fp16", size)[0]).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(32, 32), (160, 64)])
def test_a_dynamic_file_equals_the_eager_network_at_other_sizes(name, size, exported, specs):
    """Eager networks of a fixed size interpolate their positions by timm, and pad by TensorFlow's rule anew."""
    images = frames.load("", size, 2)
    wanted = open_backbone(specs(name), size, engine="torch", precision="fp32", device="cpu").run(images)
    spec = Spec(str(exported(name, size=None)[0]))
    assert describe(spec).multiple == describe(specs(name)).multiple
    found = open_backbone(spec, size, engine="onnxruntime", device="cpu").run(images)
    for output, value in wanted.items():
        np.testing.assert_allclose(found[output], value, atol=5e-5)


@pytest.mark.parametrize(("name", "precision", "size"), FILES)
def test_openvino_reads_the_file_itself(name, precision, size, exported):
    images = frames.load("", size or (96, 128), 2)
    path = exported(name, precision, size)[0]
    core = openvino.Core()
    found = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)
    wanted = open_backbone(Spec(str(path)), images.shape[2:], engine="onnxruntime", device="cpu").run(images)
    for place, value in enumerate(wanted.values()):
        np.testing.assert_allclose(found[place], value, atol=5e-5 if precision == "fp32" else 2e-2)


@pytest.mark.parametrize(("name", "size"), [(name, size) for name in NETWORKS for size in (SIZE, None)])
def test_opencv_reads_the_file(name, size, exported):
    images = frames.load("", size or (96, 128), 2)
    path = exported(name, size=size)[0]
    net = cv2.dnn.readNetFromONNX(str(path), cv2.dnn.ENGINE_NEW)
    net.setInput(images, "images")
    wanted = open_backbone(Spec(str(path)), images.shape[2:], engine="onnxruntime", device="cpu").run(images)
    for found, value in zip(net.forward(list(wanted)), wanted.values(), strict=True):
        np.testing.assert_allclose(found, value, atol=5e-5)


def test_onnx_s_own_reference_agrees(exported):
    """The slowest runtime and the one that defines the operators, on the smallest picture."""
    from onnx.reference import ReferenceEvaluator

    path = exported("resnet18", size=None)[0]
    images = frames.load("", (32, 32), 1)
    found = ReferenceEvaluator(str(path)).run(["features", "energy"], {"images": images})
    wanted = open_backbone(Spec(str(path)), (32, 32), engine="onnxruntime", device="cpu").run(images)
    for name, values in zip(("features", "energy"), found):
        np.testing.assert_allclose(values, wanted[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("opset", [14, 20])
def test_other_opsets_compute_the_same(opset, specs, tmp_path):
    write_onnx(specs("efficientnet"), SIZE, tmp_path / "net.onnx", opset=opset)
    assert onnx.load(tmp_path / "net.onnx").opset_import[0].version == opset
    images = frames.load("", SIZE, 2)
    wanted = open_backbone(specs("efficientnet"), SIZE, engine="torch", device="cpu", precision="fp32")(images)
    found = open_backbone(Spec(str(tmp_path / "net.onnx")), SIZE, engine="onnxruntime", device="cpu")(images)
    np.testing.assert_allclose(found, wanted, atol=5e-5)


@pytest.mark.parametrize(
    ("model", "opset", "allowed"),
    [("efficientnet_lite0", 12, "13 to 20"), ("efficientnet_lite0", 21, "13 to 20"), ("dinov2_vits14", 13, "14 to 20")],
)
def test_a_wrong_opset_is_refused_before_the_work(model, opset, allowed, tmp_path):
    """dinov2's weights are not even looked for."""
    with pytest.raises(ModelError, match=allowed) as caught:
        to_onnx.to_onnx(
            Request(Spec(model), (56, 56) if "dino" in model else SIZE, opset=opset), tmp_path / "n.onnx", print
        )
    assert "--opset 18" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_networks_with_windows_cannot_be_dynamic(tmp_path):
    import timm
    from safetensors.torch import save_file

    net = timm.create_model("test_swin" if "test_swin" in timm.list_models() else "swin_tiny_patch4_window7_224")
    save_file(net.state_dict(), tmp_path / "swin.safetensors")
    spec = Spec(f"timm:{net.pretrained_cfg['architecture']}", str(tmp_path / "swin.safetensors"))
    with pytest.raises(ModelError, match="one size") as caught:
        write_onnx(spec, None, tmp_path / "swin.onnx")
    assert "--size" in caught.value.hint


def damaged(path, layer):
    """Shift one convolution's bias, as a wrong kernel or a wrong fusion would."""
    model = onnx.load(path)
    node = next(
        n for n in model.graph.node if layers.layer_of(n.output[0]) == layer and n.op_type in ("Conv", "MatMul")
    )
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
    values = onnx.numpy_helper.to_array(weight).copy()
    values[..., :1] *= -3
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, path)


@pytest.mark.parametrize(("name", "layer"), [("resnet18", "layer2.0"), ("vit", "blocks.5")])
def test_a_failed_gate_names_the_layer_and_leaves_the_old_file(name, layer, specs, tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    honest = to_onnx.write_onnx

    def careless(spec, size, target, **options):
        honest(spec, size, target, **options)
        damaged(target, layer)

    monkeypatch.setattr(to_onnx, "write_onnx", careless)
    with pytest.raises(ModelError, match="cosine") as caught:
        to_onnx.to_onnx(Request(specs(name), SIZE, max_batch=2), path, lambda line: None)
    assert f"most is lost in {layer} " in caught.value.message
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_agree_where_nothing_is_wrong(name, exported, specs):
    cosines = layers.layer_cosines(specs(name), SIZE, exported(name)[0], frames.load("", SIZE, 1))
    assert len(cosines) >= 6
    assert min(cosines.values()) > 0.99999


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("/layer1/layer1.0/act2/Relu_output_0", "layer1.0"),
        ("/blocks.3/mlp/fc2/Add_output_0", "blocks.3"),
        ("/layer2/layer2.0/downsample/downsample.0/Conv_output_0", "layer2.0"),
        ("/blocks.4/blocks.4.1/conv_pw/Conv_output_0", "blocks.4.1"),
        ("/conv_stem/Conv_output_0", ""),
        ("/Cast_output_0", ""),
        ("features", ""),
    ],
)
def test_layers_by_the_names_of_tensors(tensor, layer):
    assert layers.layer_of(tensor) == layer
