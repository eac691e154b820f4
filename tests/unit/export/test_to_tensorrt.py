"""TensorRT export, all of it that needs neither TensorRT nor a GPU: names, shapes, errors.

The build itself was never run: see export/engines/build.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import onnx_signature, to_tensorrt
from export.to_tensorrt import BuildOptions
from streamseg.backbones import Spec, machine
from streamseg.backbones.exported import engine_file
from streamseg.backbones.exported.engine_file import Machine, Profile
from streamseg.errors import ModelError
from streamseg.files import sha256_of

H100 = Machine("NVIDIA H100 80GB HBM3", "9.0", "10.16.1.11")


def say_nothing(line: str) -> None:
    """A log that discards its lines."""


def network(path: Path, batch: int | str = "batch", side: int | str = 64, **props: str) -> Path:
    """An ONNX file that passes as a backbone: means of cells of 8x8 pixels."""
    cell = side if isinstance(side, str) else side // 8
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("AveragePool", ["images"], ["features"], kernel_shape=[8, 8], strides=[8, 8])],
            "pooling",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, side, side])],
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 3, cell, cell])],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    helper.set_model_props(model, {"stride": "8", "dim": "3", **props})
    onnx.save(model, path)
    return path


def test_a_signature_says_what_a_file_takes_and_gives(tmp_path):
    free = onnx_signature.read(network(tmp_path / "free.onnx", precision="fp16"))
    assert (free.inputs, free.outputs, free.batch) == ({"images": (3, 64, 64)}, {"features": (3, 8, 8)}, 0)
    assert (free.size, free.metadata["precision"]) == ((64, 64), "fp16")
    fixed = onnx_signature.read(network(tmp_path / "fixed.onnx", batch=1))
    assert fixed.batch == 1
    assert onnx_signature.read(network(tmp_path / "any.onnx", side="side")).size == (-1, -1)


def test_weights_in_other_files_are_refused(tmp_path):
    path = network(tmp_path / "net.onnx")
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(256, np.float32), "w"))
    onnx.save(model, path, save_as_external_data=True, size_threshold=0)
    with pytest.raises(ModelError, match="other files"):
        onnx_signature.read(path)


def test_an_engine_needs_a_static_size_and_a_dynamic_batch(tmp_path):
    to_tensorrt.check_shapes("m", onnx_signature.read(network(tmp_path / "good.onnx")))
    with pytest.raises(ModelError, match="leaves them open") as caught:
        to_tensorrt.check_shapes("m", onnx_signature.read(network(tmp_path / "any.onnx", side="side")))
    assert "--size" in caught.value.hint
    with pytest.raises(ModelError, match="batches of 1 only"):
        to_tensorrt.check_shapes("m", onnx_signature.read(network(tmp_path / "one.onnx", batch=1)))


def test_precision_lies_in_the_graph(tmp_path):
    half = onnx_signature.read(network(tmp_path / "half.onnx", precision="fp16"))
    assert to_tensorrt.own_precision("m", half, "") == to_tensorrt.own_precision("m", half, "fp16") == "fp16"
    with pytest.raises(ModelError, match="is fp16, not fp32") as caught:
        to_tensorrt.own_precision("m", half, "fp32")
    assert "streamseg export onnx" in caught.value.hint
    silent = onnx_signature.read(network(tmp_path / "silent.onnx"))
    assert to_tensorrt.own_precision("m", silent, "") == "fp32"


def test_an_onnx_file_of_the_user_is_used_as_it_is(tmp_path):
    path = network(tmp_path / "net.onnx", precision="fp16")
    spec = Spec(str(path))
    with to_tensorrt.onnx_of(spec, BuildOptions(), say_nothing) as (found, signature):
        assert (found, signature.size) == (path, (64, 64))
    for options in (BuildOptions(), BuildOptions(size=(64, 64))):
        assert to_tensorrt.size_and_precision(spec, options) == ((64, 64), "fp16")
    with pytest.raises(ModelError, match="64x64 only"):
        to_tensorrt.size_and_precision(spec, BuildOptions(size=(96, 96)))
    anywhere = Spec(str(network(tmp_path / "any.onnx", side="side")))
    with pytest.raises(ModelError, match="any size"):
        to_tensorrt.size_and_precision(anywhere, BuildOptions(size=(96, 96)))
    assert to_tensorrt.size_and_precision(Spec("resnet18"), BuildOptions()) == ((384, 384), "fp32")


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("resnet18", "resnet18-384x672-b8-fp16-NVIDIA_H100_80GB_HBM3-trt10.16.1.11.plan"),
        ("timm:vit_tiny", "vit_tiny-384x672-b8-fp16-NVIDIA_H100_80GB_HBM3-trt10.16.1.11.plan"),
        ("runs/my byol.pt", "my_byol-384x672-b8-fp16-NVIDIA_H100_80GB_HBM3-trt10.16.1.11.plan"),
    ],
)
def test_the_name_of_an_engine_has_all_that_it_depends_on(backbone, name):
    assert to_tensorrt.file_name(backbone, (384, 672), "fp16", Profile(1, 4, 8), H100) == name


def test_the_facts_of_an_engine_are_those_of_its_onnx_file_and_its_machine(tmp_path):
    source = network(tmp_path / "net.onnx", backbone="pooling", licence="none")
    plan = tmp_path / "net.plan"
    plan.write_bytes(b"engine")
    signature = onnx_signature.read(source)
    engine = to_tensorrt.describe(plan, source, signature, H100, "fp32", Profile(1, 2, 4))
    engine_file.beside(plan).write_text(engine_file.to_json(engine), encoding="utf-8")
    assert engine_file.read(plan) == engine
    assert engine.metadata == {"stride": "8", "dim": "3", "backbone": "pooling", "licence": "none"}
    assert (engine.onnx_sha256, engine.sha256) == (sha256_of(source), sha256_of(plan))
    assert (engine.size, engine.stride, engine.machine) == ((64, 64), 8, H100)


@pytest.mark.parametrize("most", [0, -1])
def test_no_batch_is_no_engine(most):
    with pytest.raises(ModelError, match="batches"):
        _ = BuildOptions(max_batch=most).profile
    assert BuildOptions(max_batch=8).profile == Profile(1, 8, 8)
    assert BuildOptions(max_batch=8, opt_batch=2).profile == Profile(1, 2, 8)


def test_without_a_gpu_the_command_says_so_at_once(tmp_path):
    if machine.has_gpu():
        pytest.skip("there is a GPU")
    program = (
        "import sys\n"
        "from export.to_tensorrt import BuildOptions, to_tensorrt\n"
        "from rich.console import Console\n"
        "from streamseg.backbones import Spec\n"
        "from streamseg.errors import ModelError\n"
        "try:\n"
        "    to_tensorrt(Spec('resnet18'), None, BuildOptions(), print, Console())\n"
        "except ModelError as problem:\n"
        "    print(problem.message, '|', problem.hint)\n"
        "print(sorted({'torch', 'onnx', 'tensorrt'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "needs an NVIDIA GPU" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
    assert not list(tmp_path.iterdir())
