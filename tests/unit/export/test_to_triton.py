"""Triton repositories: config.pbtxt is read by protobuf's own parser of its text format, against Triton's schema.

The schema is the one that the package tritonclient ships, where it is installed; else the fields that are used here,
declared again from Triton's model_config.proto. Either refuses unknown fields and wrong types. No server was run.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from rich.console import Console

from export import to_triton
from export.onnx_signature import Signature
from export.to_tensorrt import BuildOptions
from streamseg.backbones import Spec, open_backbone, write_onnx
from streamseg.backbones.exported import engine_file
from streamseg.backbones.exported.engine_file import Engine, Machine, Profile
from streamseg.errors import ModelError, OutputError
from streamseg.files import sha256_of
from tests.unit.export.triton_schema import parameters, parse


def add(model: str | Spec, repository: Path, name: str = "", format: str = "onnx", **chosen: Any) -> Path:
    """Add a model, and return the folder of its new version."""
    spec = model if isinstance(model, Spec) else Spec(model)
    choice, console = BuildOptions(**{"max_batch": 8} | chosen), Console(file=io.StringIO())
    return to_triton.to_triton(spec, repository, name, format, choice, lambda line: None, console)[0]


def network(path: Path, batch: int | str = "n", cell: int = 8, channels: int = 3) -> str:
    """An ONNX file that passes as a backbone with attention, like a ViT."""
    nodes = [
        helper.make_node("AveragePool", ["images"], ["features"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("ReduceMean", ["features"], ["attention"], axes=[1], keepdims=1),
    ]
    side = 64 // cell
    outputs = [("features", channels), ("attention", 1)]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "pooling",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, 64, 64])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, dim, side, side]) for name, dim in outputs],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    helper.set_model_props(model, {"backbone": 'a "quoted" \\ näme', "stride": str(cell), "dim": "3"})
    onnx.save(model, path)
    return str(path)


def test_a_new_model_is_a_config_and_version_one(tmp_path):
    source = network(tmp_path / "my net.onnx")
    model = add(source, tmp_path / "repo", max_batch=16)
    assert model == tmp_path / "repo" / "my_net" / "1" / "model.onnx"
    assert model.read_bytes() == Path(source).read_bytes()
    assert sorted(path.name for path in model.parents[1].iterdir()) == ["1", "config.pbtxt"]
    assert [path.name for path in (tmp_path / "repo").iterdir()] == ["my_net"]
    config = parse((model.parents[1] / "config.pbtxt").read_text(encoding="utf-8"))
    assert (config.name, config.backend, config.platform) == ("my_net", "onnxruntime", "onnxruntime_onnx")
    assert config.max_batch_size == 16
    assert config.HasField("dynamic_batching")
    assert [(it.name, it.data_type, list(it.dims)) for it in config.input] == [("images", 11, [3, 64, 64])]
    assert [(it.name, it.data_type, list(it.dims)) for it in config.output] == [
        ("features", 11, [3, 8, 8]),
        ("attention", 11, [1, 8, 8]),
    ]
    assert [(group.kind, group.count) for group in config.instance_group] == [(0, 1)]
    assert parameters(config) == {"backbone": 'a "quoted" \\ näme', "stride": "8", "dim": "3"}


def test_the_config_says_what_onnx_runtime_finds_in_the_file(tmp_path, shared, monkeypatch):
    """A real ViT, with attention, exported, put into a repository, and asked for its tensors by ONNX Runtime."""
    import onnxruntime

    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))
    weights = shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors"
    spec = Spec("timm:vit_tiny_patch16_224", weights=str(weights))
    write_onnx(spec, (64, 96), tmp_path / "vit.onnx")
    model = add(str(tmp_path / "vit.onnx"), tmp_path / "repo", max_batch=4)
    config = parse((model.parents[1] / "config.pbtxt").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for said, found in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert [tensor.name for tensor in said] == [tensor.name for tensor in found]
        assert [list(tensor.dims) for tensor in said] == [tensor.shape[1:] for tensor in found]
        assert all(tensor.type == "tensor(float)" and isinstance(tensor.shape[0], str) for tensor in found)
    assert {tensor.name for tensor in config.output} == {"features", "attention"}
    batch = np.random.default_rng(0).random((config.max_batch_size, *config.input[0].dims), dtype=np.float32)
    for tensor, value in zip(config.output, session.run([it.name for it in config.output], {"images": batch})):
        assert value.shape == (config.max_batch_size, *tensor.dims)
    backbone = open_backbone(Spec(str(model)), (64, 96), engine="onnxruntime", device="cpu")
    assert backbone(batch).shape == (4, 192, 4, 6)


def test_a_fixed_batch_is_one_of_the_dimensions(tmp_path):
    model = add(network(tmp_path / "net.onnx", batch=1), tmp_path / "repo")
    config = parse((model.parents[1] / "config.pbtxt").read_text(encoding="utf-8"))
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert list(config.input[0].dims) == [1, 3, 64, 64]
    assert list(config.output[1].dims) == [1, 1, 8, 8]


def test_versions_count_up_and_what_was_tuned_stays(tmp_path):
    source = network(tmp_path / "net.onnx")
    repository = tmp_path / "repo"
    first = add(source, repository)
    config = repository / "net" / "config.pbtxt"
    tuned = config.read_text(encoding="utf-8").replace("count: 1", "count:   4").replace("\n", "\n\n") + "# mine\n"
    config.write_text(tuned, encoding="utf-8")
    (repository / "net" / "7").mkdir()
    (repository / "net" / "notes").mkdir()
    assert add(source, repository).parent.name == "8"
    assert config.read_text(encoding="utf-8") == tuned
    assert first.exists()
    assert sorted(path.name for path in repository.iterdir()) == ["net"]


@pytest.mark.parametrize("change", [{"cell": 16}, {"batch": 1}])
def test_another_network_is_no_next_version(tmp_path, change):
    repository = tmp_path / "repo"
    add(network(tmp_path / "net.onnx"), repository)
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="another model") as caught:
        add(network(tmp_path / "net.onnx", **change), repository)
    assert "--name" in caught.value.hint
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before


def test_a_larger_batch_is_no_prefix_of_the_old_one(tmp_path):
    source = network(tmp_path / "net.onnx")
    add(source, tmp_path / "repo", max_batch=80)
    with pytest.raises(OutputError, match="max_batch_size: 8'"):
        add(source, tmp_path / "repo", max_batch=8)


@pytest.fixture
def engine(tmp_path):
    """An engine with its JSON; no TensorRT ever sees it."""
    path = tmp_path / "net.plan"
    path.write_bytes(b"serialized")
    facts = Engine(
        {"backbone": "resnet18"},
        Machine("NVIDIA L4", "8.9", "10.16.1.11"),
        "fp16",
        {"images": (3, 96, 160)},
        {"features": (256, 6, 10)},
        Profile(1, 4, 8),
        "0",
        sha256_of(path),
    )
    engine_file.beside(path).write_text(engine_file.to_json(facts), encoding="utf-8")
    return path


def test_an_engine_goes_in_with_its_json_and_its_own_batch(engine, tmp_path):
    model = add(str(engine), tmp_path / "repo", name="net.v2", format="tensorrt", max_batch=99)
    assert model == tmp_path / "repo" / "net.v2" / "1" / "model.plan"
    assert engine_file.read(model) == engine_file.read(engine)
    config = parse((model.parents[1] / "config.pbtxt").read_text(encoding="utf-8"))
    assert (config.backend, config.platform, config.max_batch_size) == ("tensorrt", "tensorrt_plan", 8)
    assert [group.kind for group in config.instance_group] == [1]
    with pytest.raises(ModelError, match="is a TensorRT engine"):
        add(str(engine), tmp_path / "repo", format="onnx")
    with pytest.raises(OutputError, match="another model"):
        add(network(tmp_path / "net.onnx"), tmp_path / "repo", name="net.v2")


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "a b", "ä", 'a"b'])
def test_a_name_that_cannot_be_a_folder_or_url_is_refused(tmp_path, name):
    with pytest.raises(OutputError, match="not a name for a model"):
        add(network(tmp_path / "net.onnx"), tmp_path / "repo", name=name)
    assert not (tmp_path / "repo").exists()


def test_a_folder_that_is_no_repository_is_refused(tmp_path):
    source = network(tmp_path / "net.onnx")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a folder"):
        add(source, tmp_path / "file")
    add(source, tmp_path / "repo")
    with pytest.raises(OutputError, match="not a repository") as caught:
        add(source, tmp_path / "repo" / "net")
    assert "--name net" in caught.value.hint
    with pytest.raises(OutputError, match="file' is not a folder"):
        add(source, tmp_path / "file" / "below")


def test_a_failed_copy_leaves_nothing(tmp_path, monkeypatch):
    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        add(network(tmp_path / "net.onnx"), tmp_path / "repo")
    assert not list((tmp_path / "repo").iterdir())


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet18", "resnet18"),
        ("timm:vit_tiny_patch16_224", "vit_tiny_patch16_224"),
        ("runs/my byol.pt", "my_byol"),
        ("net.fp16.onnx", "net_fp16"),
        ("größe.plan", "gr_e"),
        ("é.onnx", "model"),
    ],
)
def test_default_names(model, name):
    assert to_triton.default_name(model) == name
    to_triton.check_name(to_triton.default_name(model))


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.lists(st.integers(-1, 9999), min_size=3, max_size=3),
        min_size=1,
    ),
    st.integers(1, 512),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_names_and_sides_survive_the_text_format(tensors, batch, licence):
    tensors = {name: tuple(dims) for name, dims in tensors.items()}
    signature = Signature({"images": (3, 8, 8)}, tensors, 0, {"licence": licence})
    shape = to_triton.FORMATS["onnx"]
    text = to_triton.config("net", shape, signature, to_triton.interface(shape, signature, batch))
    config = parse(text)
    assert {it.name: tuple(it.dims) for it in config.output} == tensors
    assert config.max_batch_size == batch
    assert parameters(config) == ({"licence": licence} if licence else {})


def test_the_schema_refuses_what_triton_would():
    for wrong in ('unknown: "x"', "max_batch_size: 1.5", "input [ { data_type: TYPE_FP33 } ]"):
        with pytest.raises(text_format.ParseError):
            parse(wrong)
