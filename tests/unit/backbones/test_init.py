"""Tests the contract: each engine computes the features of each network, of length 1, equal within its precision."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from streamseg.backbones import ENGINES, Spec, describe, open_backbone
from streamseg.errors import ModelError

SIZE = (96, 160)
EXPECTED = {  # dim, stride, multiple
    "efficientnet": (320, 32, 32),
    "resnet18": (256, 16, 16),
    "vit": (192, 16, 16),
    "joined": (112 + 320, 16, 32),
}
OF_NETWORKS = tuple(engine for engine in ENGINES if engine != "tensorrt")  # that one runs engine files only
every_engine = pytest.mark.parametrize("engine", OF_NETWORKS)
every_network = pytest.mark.parametrize("name", EXPECTED)


@every_engine
@every_network
def test_features_have_the_promised_shape_and_length(engine, name, opened, specs, images):
    backbone = opened(engine, name)
    features = backbone(images)
    dim, stride, multiple = EXPECTED[name]
    assert (backbone.dim, backbone.stride) == (dim, stride)
    assert (backbone.size, backbone.engine, backbone.device, backbone.precision) == (SIZE, engine, "cpu", "fp32")
    assert (describe(specs(name)).stride, describe(specs(name)).multiple) == (stride, multiple)
    assert features.shape == (2, dim, SIZE[0] // stride, SIZE[1] // stride)
    assert features.dtype == np.float32
    assert features.flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)


@every_engine
@every_network
def test_engines_agree_with_torch(engine, name, opened, images):
    found, wanted = opened(engine, name).run(images), opened("torch", name).run(images)
    assert found.keys() == wanted.keys()
    for output in wanted:
        np.testing.assert_allclose(found[output], wanted[output], atol=1e-4)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
@every_network
def test_tensors_give_what_arrays_give(engine, name, opened, images):
    import torch

    backbone = opened(engine, name)
    assert backbone.tensors
    assert backbone.place == "cpu"
    wanted = {output: array.copy() for output, array in backbone.run(images).items()}
    found = backbone.run_on_device(torch.from_numpy(images))
    backbone.run_on_device(torch.zeros(1, 3, *SIZE))  # what was found is ours and stays
    assert found.keys() == wanted.keys()
    for output in wanted:
        assert found[output].is_contiguous()
        np.testing.assert_allclose(found[output].numpy(), wanted[output], atol=1e-5)
    with pytest.raises(ModelError, match="96x160"):
        backbone.run_on_device(torch.zeros(1, 3, 64, 64))


def test_an_engine_without_tensors_says_so(opened, images):
    import torch

    backbone = opened("openvino", "efficientnet")
    assert not backbone.tensors
    with pytest.raises(ModelError, match="host memory only") as caught:
        backbone.run_on_device(torch.from_numpy(images))
    assert "--engine torch" in caught.value.hint


@every_engine
@every_network
def test_the_same_image_gives_the_same_and_another_image_something_else(engine, name, opened, images):
    backbone = opened(engine, name)
    first = backbone(images[:1]).copy()
    second = backbone(images[1:]).copy()
    np.testing.assert_array_equal(backbone(images[:1]), first)
    assert np.abs(first - second).max() > 0.05
    np.testing.assert_allclose(backbone(images), np.concatenate([first, second]), atol=1e-5)


@every_engine
def test_cnns_have_energy_and_vits_attention_which_is_a_share(engine, opened, images):
    found = opened(engine, "resnet18").run(images)
    assert set(found) == {"features", "energy"}
    assert found["energy"].shape == (2, 1, *found["features"].shape[2:])
    assert found["energy"].min() >= 0
    attention = opened(engine, "vit").run(images)["attention"]
    assert attention.shape == (2, 3, 6, 10)
    assert attention.min() >= 0
    total = attention.sum((2, 3))
    assert (total > 0.3).all()
    assert (total < 1).all()  # the rest looks at the CLS token itself


@every_engine
def test_images_that_may_not_be_written_or_lie_otherwise_in_memory_are_fine(engine, opened, images):
    backbone = opened(engine, "resnet18")
    wanted = backbone(images).copy()
    channels_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    channels_last.flags.writeable = False
    frozen = images.copy()
    frozen.flags.writeable = False
    np.testing.assert_allclose(backbone(channels_last), wanted, atol=1e-5)
    np.testing.assert_allclose(backbone(frozen), wanted, atol=1e-5)


def test_a_brighter_image_is_not_renormalized_outside(opened, images):
    """Images are not standardized before the network."""
    backbone = opened("onnxruntime", "efficientnet")
    assert np.abs(backbone(images * 0.5) - backbone(images)).max() > 0.01


def test_a_second_run_imports_no_torch_and_says_what_it_uses(opened):
    opened("openvino", "joined")  # its layers are the default ones
    program = (
        "import sys\n"
        "from streamseg.backbones import Spec, describe, open_backbone\n"
        "spec = Spec('efficientnet_lite0')\n"
        "assert describe(spec).stride == 16\n"
        f"open_backbone(spec, {SIZE}, engine='openvino', precision='fp32', log=print)\n"
        f"open_backbone(spec, {SIZE}, engine='onnxruntime', device='cpu', log=print)\n"
        "heavy = {'torch', 'timm', 'onnx', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    cached, openvino, _, onnxruntime = done.stdout.splitlines()
    assert "from the cache" in cached
    assert openvino == "efficientnet_lite0 on openvino (cpu, fp32), input 96x160"
    assert onnxruntime == "efficientnet_lite0 on onnxruntime (cpu, fp32), input 96x160"


def test_a_timm_model_is_looked_at_once(opened, specs):
    opened("openvino", "vit")
    spec = specs("vit")
    program = (
        "import sys\n"
        "from streamseg.backbones import Spec, open_backbone\n"
        f"open_backbone(Spec({spec.model!r}, weights={spec.weights!r}), {SIZE}, engine='openvino', precision='fp32')\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("choice", "word", "hint"),
    [
        ({"engine": "openvino", "device": "cuda"}, "cuda", "onnxruntime"),
        ({"engine": "torch", "device": "tensorrt"}, "tensorrt", "--engine onnxruntime"),
        ({"engine": "torch", "precision": "fp16", "device": "cpu"}, "fp16", "fp32"),
        ({"engine": "onnxruntime", "precision": "fp16", "device": "cpu"}, "fp16", "fp32"),
        ({"engine": "onnxruntime", "precision": "bf16", "device": "cpu"}, "bf16", "fp32"),
        ({"engine": "openvinoo"}, "openvinoo", "did you mean 'openvino'"),
        ({"device": "gpu"}, "gpu", "cuda"),
        ({"precision": "int8"}, "int8", "fp32"),
    ],
)
def test_impossible_combinations_are_refused(choice, word, hint):
    with pytest.raises(ModelError, match=word) as caught:
        open_backbone(Spec("efficientnet_lite0"), SIZE, **choice)
    assert hint in caught.value.hint


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_a_gpu_that_is_not_there_is_an_error_never_the_cpu(engine, opened, capfd):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    opened("onnxruntime", "efficientnet")
    with pytest.raises(ModelError, match=r"cuda|CUDA") as caught:
        open_backbone(Spec("efficientnet_lite0"), SIZE, engine=engine, device="cuda")
    assert "--device cpu" in caught.value.hint
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("size", "near"), [((100, 160), "96x160"), ((96, 0), "96x32"), ((16, 160), "32x160")])
def test_a_size_that_does_not_fit_names_the_nearest(size, near):
    with pytest.raises(ModelError, match="multiples of 32") as caught:
        open_backbone(Spec("efficientnet_lite0"), size)
    assert near in caught.value.hint


def test_wrong_images_are_refused(opened):
    for engine in OF_NETWORKS:
        with pytest.raises(ModelError, match="96x160"):
            opened(engine, "efficientnet")(np.zeros((1, 3, 64, 64), np.float32))


def test_threads_come_from_the_environment(monkeypatch, opened, images):
    monkeypatch.setenv("STREAMSEG_THREADS", "1")
    backbone = open_backbone(Spec("efficientnet_lite0"), SIZE, engine="openvino", precision="fp32")
    np.testing.assert_allclose(backbone(images), opened("torch", "joined")(images), atol=1e-4)
    monkeypatch.setenv("STREAMSEG_THREADS", "many")
    with pytest.raises(ModelError, match="many"):
        open_backbone(Spec("efficientnet_lite0"), SIZE)


def test_torch_computes_in_bfloat16_and_says_so(opened, images):
    backbone = open_backbone(Spec("efficientnet_lite0"), SIZE, engine="torch", device="cpu", precision="bf16")
    assert backbone.precision == "bf16"
    features = backbone(images)
    cosine = (features * opened("torch", "joined")(images)).sum(1)
    assert 0.99 < cosine.min() < 1 - 1e-6
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)


def test_published_weights_without_network_are_a_quick_error(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    started = time.perf_counter()
    with pytest.raises(ModelError, match="cannot be downloaded") as caught:
        open_backbone(Spec("resnet50"), SIZE, engine="torch", device="cpu")
    assert "--weights" in caught.value.hint
    assert time.perf_counter() - started < 10
