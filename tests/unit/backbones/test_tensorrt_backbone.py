"""TensorRT engines without TensorRT: what stands beside them, where they may run, and what is said where they cannot.

Running one needs a GPU and TensorRT, which were not there; only what comes before is tested here.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.backbones import Spec, _tensorrt, describe, machine, open_backbone, write_onnx, zoo
from streamseg.backbones.exported import cached, engine_file
from streamseg.backbones.exported.engine_file import Engine, Machine, Profile
from streamseg.backbones.tensorrt_backbone import check_machine
from streamseg.errors import ModelError

HERE = Machine("NVIDIA L4", "8.9", "10.16.1.11")


@pytest.fixture
def engine(tmp_path):
    """The path and facts of an engine for 96x160: its bytes are none that TensorRT would load, its JSON is whole."""
    path = tmp_path / "net.plan"
    path.write_bytes(b"serialized")
    facts = Engine(
        metadata={"backbone": "resnet18", "stride": "16", "licence": "BSD-3-Clause", "method": "byol"},
        machine=HERE,
        precision="fp16",
        inputs={"images": (3, 96, 160)},
        outputs={"features": (256, 6, 10)},
        profile=Profile(1, 4, 8),
        onnx_sha256="0" * 64,
        sha256=cached.sha256(path),
    )
    engine_file.beside(path).write_text(engine_file.to_json(facts), encoding="utf-8")
    return path, facts


def test_the_json_beside_an_engine_says_all_of_it(engine):
    path, facts = engine
    assert engine_file.beside(path).name == "net.plan.json"
    assert engine_file.read(path) == facts
    said = json.loads(engine_file.beside(path).read_text(encoding="utf-8"))
    assert said["gpu"], said["compute_capability"] == ("NVIDIA L4", "8.9")
    assert (said["tensorrt"], said["precision"]) == ("10.16.1.11", "fp16")
    assert said["profile"] == {"min": 1, "opt": 4, "max": 8}


def test_an_engine_is_a_model_like_any_other(engine):
    path, facts = engine
    assert describe(Spec(str(path))) == dataclasses.replace(describe(Spec(str(path))), stride=16, size=(96, 160))
    recipe = zoo.recipe(Spec(str(path)))
    assert (recipe.name, recipe.kind, recipe.method, recipe.licence) == ("resnet18", "tensorrt", "byol", "BSD-3-Clause")
    assert recipe.sha256 == facts.sha256


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"format": 1, "engine": "tensorrt"}',
    ],
)
def test_a_damaged_json_is_told(engine, damage):
    path, _ = engine
    engine_file.beside(path).write_bytes(damage)
    with pytest.raises(ModelError, match=r"net\.plan\.json") as caught:
        engine_file.read(path)
    assert "streamseg export tensorrt" in caught.value.hint


@given(st.data())
def test_no_wrong_value_in_the_json_gets_through_or_escapes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("wrong")
    path = folder / "net.plan"
    path.write_bytes(b"serialized")
    facts = Engine({}, HERE, "fp32", {"x": (3, 8, 8)}, {"features": (2, 1, 1)}, Profile(1, 1, 1), "0", "0")
    said = json.loads(engine_file.to_json(dataclasses.replace(facts, sha256=cached.sha256(path))))
    key = data.draw(st.sampled_from(sorted(said)))
    value = data.draw(
        st.one_of(st.none(), st.integers(), st.lists(st.integers()), st.dictionaries(st.text(), st.integers()))
    )
    said[key] = value
    engine_file.beside(path).write_text(json.dumps(said), encoding="utf-8")
    try:
        engine = engine_file.read(path)
    except ModelError:
        return
    assert key == "metadata"
    assert engine.metadata == {name: str(number) for name, number in value.items()}


def test_an_engine_without_its_json_or_with_anothers(engine):
    path, _ = engine
    path.write_bytes(b"rebuilt")
    with pytest.raises(ModelError, match="is not the one of"):
        engine_file.read(path)
    engine_file.beside(path).unlink()
    with pytest.raises(ModelError, match=r"lacks 'net\.plan\.json'"):
        engine_file.read(path)
    path.unlink()
    with pytest.raises(ModelError, match="no engine"):
        engine_file.read(path)


def test_a_later_format_is_told_apart_from_damage(engine):
    path, _ = engine
    said = json.loads(engine_file.beside(path).read_text(encoding="utf-8")) | {"format": 2}
    engine_file.beside(path).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match="format 2"):
        engine_file.read(path)


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (Machine("NVIDIA A100", "8.0", "10.16.1.11"), ["GPU NVIDIA L4, here NVIDIA A100", "capability 8.9, here 8.0"]),
        (Machine("NVIDIA L4", "8.9", "11.4.0.106"), ["TensorRT 10.16.1.11, here 11.4.0.106"]),
    ],
)
def test_another_machine_is_told_with_what_to_type(engine, here, words):
    path, facts = engine
    check_machine(path, facts, HERE)
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


def test_the_missing_package_is_another_error():
    with pytest.raises(ModelError, match="not installed") as caught:
        _tensorrt.require(package=False, gpu=True)
    assert caught.value.hint == 'pip install "streamseg[tensorrt]"'
    _tensorrt.require(package=True, gpu=True)


@pytest.mark.parametrize("version", ["8.6.1", "9.3.0.post12"])
def test_an_old_tensorrt_is_refused(version):
    with pytest.raises(ModelError, match="too old"):
        _tensorrt.check_version(version)
    _tensorrt.check_version("10.0.1")
    _tensorrt.check_version("11.4.0.106")


@given(st.integers(-2, 9), st.integers(-2, 9), st.integers(-2, 9))
def test_a_profile_rises_or_is_refused(least, best, most):
    if 1 <= least <= best <= most:
        assert Profile(least, best, most).shapes((3, 4, 5)) == ((least, 3, 4, 5), (best, 3, 4, 5), (most, 3, 4, 5))
    else:
        with pytest.raises(ModelError):
            Profile(least, best, most)


def test_a_tensorrt_that_does_not_start_says_why():
    log = SimpleNamespace(errors=["CUDA initialization failure with error: 35"])

    def nothing(log: object) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    with pytest.raises(ModelError, match="failure with error: 35"):
        _tensorrt.start(nothing, log)
