"""What a session tells its user."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from streamseg.backbones import Spec
from streamseg.session import Setup, open_session, squeezed

SAMPLE = str(Path(__file__).resolve().parents[2] / "samples" / "tabletop")


@pytest.mark.parametrize(
    ("frame", "network", "told"),
    [
        ((1080, 1920), (256, 256), True),
        ((1920, 1080), (384, 512), True),
        ((480, 640), (384, 512), False),
        ((1080, 1920), (384, 672), False),  # rounded to multiples of 32
        ((480, 640), (352, 384), True),
    ],
)
def test_a_changed_aspect_is_told(frame: tuple[int, int], network: tuple[int, int], told: bool) -> None:
    assert bool(squeezed(frame, network)) == told


def test_an_exported_network_that_squeezes_says_so_once(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("AveragePool", ["images"], ["features"], kernel_shape=[8, 8], strides=[8, 8])],
        "mean colours",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 32, 96))],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, (1, 3, 4, 12))],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "net.onnx")
    lines: list[str] = []
    with open_session(Setup(SAMPLE, spec=Spec(str(tmp_path / "net.onnx"))), lines.append) as session:
        for frame in ((480, 640), (480, 640), (640, 480)):
            assert session.pipeline.choose_size(frame) == (32, 96)
    (note,) = (line for line in lines if line.startswith("note:"))
    assert "32x96" in note
    assert "480x640" in note
