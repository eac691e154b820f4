"""OpenVINO networks: the same features as PyTorch's, both files or none, and clear words about damaged pairs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from export import to_openvino, verify
from export.to_onnx import Request
from streamseg.backbones import Spec, describe, open_backbone, write_onnx
from streamseg.backbones.exported import openvino_file
from streamseg.errors import ModelError, OutputError

SIZE = (96, 128)
SPEC = Spec("efficientnet_lite0", layers=(4,))


def quiet(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network in fp32."""
    path = tmp_path_factory.mktemp("openvino") / "net.xml"
    comparisons = to_openvino.to_openvino(Request(SPEC, SIZE), path, quiet)
    assert all(comparison.ari > 0.98 for comparison in comparisons)
    return path


@pytest.fixture
def copied(network: Path, tmp_path: Path) -> Path:
    for file in (network, network.with_suffix(".bin")):
        shutil.copy(file, tmp_path)
    return tmp_path / network.name


def test_it_gives_the_features_of_pytorch(network: Path) -> None:
    images = np.random.default_rng(0).random((2, 3, *SIZE), dtype=np.float32)
    wanted = open_backbone(SPEC, SIZE, engine="torch", device="cpu", precision="fp32")(images)
    backbone = open_backbone(Spec(str(network)), SIZE, precision="fp32")
    assert (backbone.engine, backbone.name, backbone.dim, backbone.stride) == ("openvino", SPEC.model, 112, 16)
    np.testing.assert_allclose(backbone(images), wanted, atol=1e-5)


def test_it_knows_what_it_is(network: Path) -> None:
    facts, sha256 = openvino_file.read(network)
    assert (facts.name, facts.stride, facts.dim, facts.size) == (SPEC.model, 16, 112, SIZE)
    assert facts.licence == "Apache-2.0"
    assert len(facts.sha256) == len(sha256) == 64
    assert describe(Spec(str(network))).size == SIZE


def test_nothing_else_is_left_in_the_folder(network: Path) -> None:
    assert sorted(path.name for path in network.parent.iterdir()) == ["net.bin", "net.xml"]


def test_fp16_halves_the_weights_and_stays_close(network: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.xml"
    write_onnx(SPEC, SIZE, tmp_path / "net.onnx")
    to_openvino.convert(tmp_path / "net.onnx", half, "fp16")
    assert half.with_suffix(".bin").stat().st_size < 0.55 * network.with_suffix(".bin").stat().st_size
    images = np.random.default_rng(1).random((1, 3, *SIZE), dtype=np.float32)
    mine, its = (open_backbone(Spec(str(path)), SIZE, precision="fp32") for path in (half, network))
    assert mine.precision == "fp32"  # what is really used, whatever the file holds
    gap = np.abs(mine(images) - its(images)).max()
    assert 0 < gap < 5e-3


def test_it_converts_after_a_network_has_run_in_the_same_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the engine imports openvino without its converter, see `openvino_backbone`
    monkeypatch.delattr("openvino.convert_model", raising=False)
    write_onnx(SPEC, SIZE, tmp_path / "net.onnx")
    to_openvino.convert(tmp_path / "net.onnx", tmp_path / "net.xml", "fp32")
    assert openvino_file.read(tmp_path / "net.xml")[0].name == SPEC.model


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_other_engines_do_not_run_it(network: Path, engine: str) -> None:
    with pytest.raises(ModelError, match=rf"{engine} does not run .*openvino") as caught:
        open_backbone(Spec(str(network)), SIZE, engine=engine)
    assert "--engine" in caught.value.hint


def test_its_layers_are_chosen_already(network: Path) -> None:
    with pytest.raises(ModelError, match="exported already"):
        describe(Spec(str(network), layers=(5,)))


def test_what_is_exported_already_is_refused_whatever_its_size(network: Path, tmp_path: Path) -> None:
    other = (SIZE[0] * 2, SIZE[1])
    with pytest.raises(ModelError, match="is exported already"):
        to_openvino.to_openvino(to_openvino.Request(Spec(str(network)), other), tmp_path / "new.xml", print)
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_its_bin_is_refused(copied: Path) -> None:
    copied.with_suffix(".bin").unlink()
    with pytest.raises(ModelError, match=r"lacks its weights, .*net\.bin"):
        describe(Spec(str(copied)))


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_a_bin_cut_short_is_never_run(copied: Path, keep: int) -> None:
    weights = copied.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"net\.bin.* is damaged, or not the one"):
        describe(Spec(str(copied)))


def test_the_bin_of_another_network_is_never_run(copied: Path) -> None:
    weights = copied.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="not the one"):
        describe(Spec(str(copied)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not readable XML"),
        (b"<net><layers>", "not readable XML"),
        (b"\x00\x01\xff", "not readable XML"),
        (b"<html/>", "begins with <html>"),
        (b"<net/>", "not an OpenVINO network"),
        (b"<net><layers/></net>", "it has nothing"),
    ],
)
def test_an_xml_that_is_something_else(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.xml"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        describe(Spec(str(path)))
    assert "expected" in caught.value.hint or "give" in caught.value.hint


def test_a_foreign_network_runs_when_it_fits(tmp_path: Path) -> None:
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([-1, 3, 32, 48], np.float32, name="x")
    pooled = ops.avg_pool(image, [8, 8], [0, 0], [0, 0], [8, 8], False)
    pooled.output(0).get_tensor().set_names({"features"})
    openvino.save_model(openvino.Model([pooled], [image], "foreign"), tmp_path / "foreign.xml")
    spec = Spec(str(tmp_path / "foreign.xml"))
    assert (describe(spec).stride, describe(spec).size) == (8, (32, 48))
    images = np.random.default_rng(0).random((1, 3, 32, 48), dtype=np.float32)
    found = open_backbone(spec, (32, 48), precision="fp32")(images)
    np.testing.assert_allclose(found, images.reshape(1, 3, 4, 8, 6, 8).mean((3, 5)), atol=1e-5)


def test_a_classifier_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 32, 32], np.float32, name="x")
    logits = ops.reduce_mean(image, [2, 3])
    logits.output(0).get_tensor().set_names({"logits"})
    openvino.save_model(openvino.Model([logits], [image], "classifier"), tmp_path / "classifier.xml")
    with pytest.raises(ModelError, match=r"not a backbone; it has .*logits \[1, 3\]") as caught:
        describe(Spec(str(tmp_path / "classifier.xml")))
    assert "features" in caught.value.hint


def test_an_old_pair_survives_an_export_that_fails(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [path.read_bytes() for path in (copied, copied.with_suffix(".bin"))]
    monkeypatch.setitem(verify.GATES, "fp16", (1.1, 1.1))
    with pytest.raises(ModelError, match="fp16 differs"):
        to_openvino.to_openvino(Request(SPEC, SIZE, precision="fp16"), copied, quiet)
    assert [path.read_bytes() for path in (copied, copied.with_suffix(".bin"))] == before
    assert len(list(copied.parent.iterdir())) == 2


def test_another_suffix_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not a name") as caught:
        to_openvino.to_openvino(Request(SPEC, SIZE), tmp_path / "net.bin", quiet)
    assert ".xml" in caught.value.hint


def test_a_missing_folder_is_told_before_the_network_is_written(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(OutputError, match="no folder"):
        to_openvino.to_openvino(Request(SPEC, SIZE), tmp_path / "none" / "net.xml", said.append)
    assert said == []
