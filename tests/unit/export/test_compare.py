"""The table of formats: how models are named, what each row holds, and that a gap is a gap."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from export import compare
from streamseg.backbones import Spec
from streamseg.errors import ModelError


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("resnet18", Spec("resnet18")),
        ("runs/best.pt", Spec("runs/best.pt")),
        ("timm:vit_tiny_patch16_224@a/b.safetensors", Spec("timm:vit_tiny_patch16_224", "a/b.safetensors")),
        ("resnet18,layers=3,4@w.pth", Spec("resnet18", "w.pth", (3, 4))),
        ("dino_vits16,layers=11,facet=query", Spec("dino_vits16", "", (11,), "query")),
        ("dino_vits16,facet=query,layers=-1", Spec("dino_vits16", "", (-1,), "query")),
    ],
)
def test_a_model_is_named_with_its_choices(text: str, spec: Spec) -> None:
    assert compare.parse(text) == spec


@pytest.mark.parametrize("text", ["resnet18,3,4", "resnet18,layers=a", "resnet18,layer=3@w.pth"])
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        compare.parse(text)
    assert "layers=3,4" in caught.value.hint


def test_the_table_of_a_real_network(shared: Path) -> None:
    weights = shared / "weights" / "resnet18_imagenet_stem_to_layer3.safetensors"
    rows = compare.rows([Spec("resnet18", str(weights), (3,))], (64, 96), "", "", lambda line: None)
    table = {row["format"]: row for row in rows}
    measured = {name: row for name, row in table.items() if "note" not in row}
    assert {f"{runtime} {precision}" for runtime in ("ONNX", "OpenVINO") for precision in ("fp32", "fp16", "int8")} <= (
        measured.keys()
    )
    assert table["ONNX fp32"]["speed"] == 1
    assert all(row["speed"] > 0 for name, row in measured.items() if "OpenCV" not in name)
    for other in ("OpenVINO reads ONNX fp32", "OpenCV dnn reads ONNX fp32"):
        assert table[other]["passed"]
        assert table[other]["max_error"] < 1e-4
    sizes = [table[f"ONNX {precision}"]["megabytes"] for precision in ("fp32", "fp16", "int8")]
    assert sizes == sorted(sizes, reverse=True)
    assert 1.8 < sizes[0] / sizes[1] < 2.2
    assert table["OpenVINO fp32"]["megabytes"] == pytest.approx(sizes[0], rel=0.15)
    assert table["ONNX fp32"]["max_error"] < table["ONNX fp16"]["max_error"] < table["ONNX int8"]["max_error"]
    for name, row in table.items():
        if "provider" in name:  # a GPU is measured or said not to be; never silently left out
            assert "note" in row or row["speed"] > 0
    lines = compare.markdown(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert len({line.count("|") for line in lines}) == 1
    for row in rows:
        assert row["format"] in compare.text(rows)


def test_speed_is_measured_interleaved_and_by_the_median() -> None:
    order: list[str] = []

    class Sleeper:
        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
            order.append(self.name)
            first = order.count(self.name) == 1
            time.sleep(0.05 if first else self.seconds)  # the first call is slow: that is what warm-up is for
            return {}

    sleepers = {"a": Sleeper("a", 0.002), "b": Sleeper("b", 0.006)}
    found = compare._medians(sleepers, np.zeros((2, 3, 4, 4), np.float32))  # type: ignore[arg-type]
    assert order[:8] == ["a", "a", "b", "b"] * 2
    assert 0.002 <= found["a"] < found["b"]
    assert 0.006 <= found["b"] < 0.05


def test_a_failed_gate_is_named_in_the_table() -> None:
    image = np.random.default_rng(0).random((1, 3, 4, 4), dtype=np.float32)
    wanted = {"features": np.random.default_rng(1).normal(size=(1, 8, 8, 8)).astype(np.float32)}

    class Wrong:
        def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
            return {"features": -wanted["features"]}

    figures = compare._figures([wanted], Wrong(), image, "int8")
    assert not figures["passed"]
    assert figures["cosine"] == pytest.approx(-1)
    row = {"model": "m", "format": "f", "megabytes": 1.0, "speed": 1.0} | figures
    assert "int8 FAILED" in compare.markdown([row])
