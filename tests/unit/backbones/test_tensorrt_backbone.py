"""Tests without TensorRT where its engines may run, and the errors if they cannot.

Running one needs a GPU and TensorRT, which were not there; only what comes before is tested here.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from streamseg.backbones import Spec, describe, machine, open_backbone, write_onnx, zoo
from streamseg.backbones.exported.engine_file import Machine
from streamseg.backbones.tensorrt_backbone import check_machine
from streamseg.errors import ModelError


def test_an_engine_is_a_model_like_any_other(engine):
    path, facts = engine
    assert describe(Spec(str(path))) == dataclasses.replace(describe(Spec(str(path))), stride=16, size=(96, 160))
    recipe = zoo.recipe(Spec(str(path)))
    assert (recipe.name, recipe.kind, recipe.method, recipe.licence) == ("resnet18", "tensorrt", "byol", "BSD-3-Clause")
    assert recipe.sha256 == facts.sha256


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (Machine("NVIDIA A100", "8.0", "10.16.1.11"), ["GPU NVIDIA L4, here NVIDIA A100", "capability 8.9, here 8.0"]),
        (Machine("NVIDIA L4", "8.9", "11.4.0.106"), ["TensorRT 10.16.1.11, here 11.4.0.106"]),
    ],
)
def test_another_machine_is_told_with_what_to_type(engine, here, words):
    path, facts = engine
    check_machine(path, facts, facts.machine)
    with pytest.raises(ModelError, match="another machine") as caught:
        check_machine(path, facts, here)
    assert all(word in caught.value.message for word in words)
    assert f"--size 96x160 --precision fp16 --max-batch 8 -o {path}" in caught.value.hint


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"engine": "onnxruntime"}, "onnxruntime does not run"),
        ({"engine": "torch"}, "torch does not run"),
        ({"device": "cpu"}, "for a GPU"),
        ({"precision": "fp32"}, "built in fp16, not fp32"),
        ({"size": (96, 192)}, "96x160 only"),
        ({"layers": (4,)}, "--layers"),
        ({"weights": "w.pth"}, "--weights"),
    ],
)
def test_what_does_not_fit_an_engine_is_refused(engine, choice, words):
    path, _ = engine
    spec = Spec(str(path), weights=choice.pop("weights", ""), layers=choice.pop("layers", ()))
    with pytest.raises(ModelError, match=words):
        open_backbone(spec, choice.pop("size", (96, 160)), **choice)


def test_engines_run_engines_only_and_are_no_onnx(engine):
    path, _ = engine
    with pytest.raises(ModelError, match=r"\.plan files only") as caught:
        open_backbone(Spec("efficientnet_lite0"), (96, 160), engine="tensorrt")
    assert "streamseg export tensorrt efficientnet_lite0" in caught.value.hint
    with pytest.raises(ModelError, match="exported already"):
        write_onnx(Spec(str(path)), (96, 160), path.with_suffix(".onnx"))


def test_without_a_gpu_there_is_one_error_before_anything_heavy_is_loaded(engine):
    if machine.has_gpu():
        pytest.skip("there is a GPU")
    program = (
        "import sys\n"
        "from streamseg.backbones import Spec, open_backbone\n"
        "from streamseg.errors import ModelError\n"
        "try:\n"
        f"    open_backbone(Spec({str(engine[0])!r}), (96, 160))\n"
        "except ModelError as problem:\n"
        "    print(problem.message, '|', problem.hint)\n"
        "assert not {'torch', 'onnx', 'tensorrt', 'onnxruntime'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "needs an NVIDIA GPU" in done.stdout
    assert "nvidia-smi" in done.stdout
