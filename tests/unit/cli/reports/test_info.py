"""`streamseg info`: the properties of each kind of file, whether it runs, and if not, what is expected."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from streamseg.backbones import checkpoint
from streamseg.cli.reports import info
from streamseg.errors import ModelError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))


def network(path: Path, image: list, output: str, shape: list, **metadata: str) -> Path:
    """A network of one average pooling by 8."""
    value = helper.make_tensor_value_info
    node = helper.make_node("AveragePool", ["x"], [output], kernel_shape=[8, 8], strides=[8, 8])
    ends = [value("x", TensorProto.FLOAT, image)], [value(output, TensorProto.FLOAT, shape)]
    graph = helper.make_graph([node], "pooling", *ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def test_an_onnx_file_of_ours_is_described(tmp_path: Path) -> None:
    metadata = {
        "streamseg": "0.1.0",
        "method": "byol",
        "backbone": "resnet18",
        "stride": "8",
        "dim": "3",
        "licence": "MIT",
    }
    path = network(tmp_path / "net.onnx", ["n", 3, 64, 96], "features", ["n", 3, 8, 12], precision="fp16", **metadata)
    report = info.examine(path)
    assert report["kind"] == "ONNX network"
    assert report["written_by_streamseg"] == "0.1.0"
    assert (report["method"], report["backbone"], report["licence"]) == ("byol", "resnet18", "MIT")
    assert (report["stride"], report["dim"], report["opset"], report["precision"]) == (8, 3, 17, "fp16")
    assert report["inputs"] == {"x": ["?", 3, 64, 96]}
    assert report["outputs"] == {"features": ["?", 3, 8, 12]}
    assert report["runs"]
    assert report["bytes"] == path.stat().st_size


def test_a_foreign_file_that_fits(tmp_path: Path) -> None:
    report = info.examine(network(tmp_path / "f.onnx", [1, 3, 64, 96], "features", [1, 3, 8, 12]))
    assert (report["written_by_streamseg"], report["runs"], report["stride"], report["dim"]) == ("", True, 8, 3)


@pytest.mark.parametrize(
    ("image", "output", "shape"),
    [
        ([1, 3, 64, 96], "logits", [1, 3, 8, 12]),
        ([1, 64, 96, 3], "features", [1, 64, 12, 1]),  # NHWC
        ([8, 3, 64, 96], "features", [8, 3, 8, 12]),
    ],
)
def test_a_foreign_file_that_does_not_fit(tmp_path: Path, image: list, output: str, shape: list) -> None:
    report = info.examine(network(tmp_path / "f.onnx", image, output, shape))
    assert not report["runs"]
    assert str(image) in report["problem"]
    assert output in report["problem"]
    assert "(N, 3, H, W)" in report["expected"]


@pytest.mark.parametrize("head", ["", "foreground", "region_foreground"])
def test_a_checkpoint_is_described(tmp_path: Path, head: str) -> None:
    import torch

    backbone = {"name": "resnet18", "architecture": "resnet18.tv_in1k", "layers": [4, 5], "facet": "output"}
    backbone["head"] = head
    content = {"method": "byol", "backbone": backbone, "state_dict": {"w": torch.zeros(2)}, "config": {}}
    content |= {"head": {"weight": torch.zeros(1, 2, 1, 1), "bias": torch.zeros(1)}} if head else {}
    path = tmp_path / "ckpt.pt"
    checkpoint.write(path, content | {"training": None, "provenance": {}})
    report = info.examine(path)
    assert (report["kind"], report["method"], report["layers"]) == ("checkpoint", "byol", [4, 5])
    assert report["written_by_streamseg"]
    assert report["head"] == (head or "none")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"ckpt\.pt"):
        info.examine(path)


def test_weights_alone_are_described_and_do_not_run(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    tensors = {"conv1.weight": torch.zeros(4, 3, 3, 3), "conv1.bias": torch.zeros(4)}
    save_file(tensors, tmp_path / "w.safetensors")
    torch.save(tensors, tmp_path / "w.pt")
    for name in ("w.safetensors", "w.pt"):
        report = info.examine(tmp_path / name)
        assert (report["tensors"], report["parameters"], report["runs"]) == (2, 112, False)
        assert "--weights" in report["expected"]


@pytest.mark.parametrize("name", ["gone.onnx", "text.txt", "damaged.onnx", "damaged.xml", "alone.plan", "damaged.pt"])
def test_an_unreadable_file_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if "gone" not in name:
        path.write_bytes(b"\x08\x07 something")
    with pytest.raises(ModelError, match=name.replace(".", r"\.")) as caught:
        info.examine(path)
    assert caught.value.hint


def test_the_report_is_printed_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = network(tmp_path / "f.onnx", [1, 3, 64, 96], "features", [1, 3, 8, 12])
    report = info.examine(path)
    info.print_report(report)
    printed = capsys.readouterr().out
    for words in ("ONNX network", "x (1, 3, 64, 96)", "features (1, 3, 8, 12)", report["sha256"]):
        assert words in printed


def test_an_onnx_file_is_read_without_torch(tmp_path: Path) -> None:
    path = network(tmp_path / "f.onnx", [1, 3, 64, 96], "features", [1, 3, 8, 12])
    code = "import sys; from pathlib import Path; from streamseg.cli.reports import info; "
    code += f"info.examine(Path({str(path)!r})); "
    code += "sys.exit(bool({'torch', 'openvino', 'onnxruntime', 'timm'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_recording_that_is_no_bag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    (tmp_path / "video.mp4").touch()
    for path in (tmp_path, tmp_path / "video.mp4"):
        with pytest.raises(ModelError, match="neither a model file nor a ROS bag") as caught:
            info.examine(path)
        assert "streamseg view" in caught.value.hint
