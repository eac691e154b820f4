"""The notes of a session."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamseg.backbones import Spec
from streamseg.config import SegmenterConfig, SessionConfig
from streamseg.runtime.session import misaligned, open_session, squeezed, unused, unused_depth_flags
from streamseg.sources import Options, open_source
from streamseg.sources.alignment import Alignment

SAMPLE = str(Path(__file__).resolve().parents[3] / "samples" / "tabletop")


@pytest.mark.parametrize(
    ("frame", "network", "has_note"),
    [
        ((1080, 1920), (256, 256), True),
        ((1920, 1080), (384, 512), True),
        ((480, 640), (384, 512), False),
        ((1080, 1920), (384, 672), False),  # rounded to multiples of 32
        ((480, 640), (352, 384), True),
    ],
)
def test_a_changed_aspect_ratio_has_a_note(frame: tuple[int, int], network: tuple[int, int], has_note: bool) -> None:
    assert bool(squeezed(frame, network)) == has_note


def test_the_note_about_squeezed_frames_comes_once(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("AveragePool", ["images"], ["features"], kernel_shape=[8, 8], strides=[8, 8])],
        "mean colours",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 32, 96))],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, (1, 3, 4, 12))],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "net.onnx")
    lines: list[str] = []
    setup = SessionConfig(SAMPLE).but(spec=Spec(str(tmp_path / "net.onnx")))
    with open_session(setup, lines.append) as session:
        for frame in ((480, 640), (480, 640), (640, 480)):
            assert session.segmenter.extractor.choose_size(frame) == (32, 96)
    (note,) = (line for line in lines if line.startswith("to do: the network"))
    assert "32x96" in note
    assert "480x640" in note
    assert not any("--size: no effect" in line for line in lines)
    for size, has_note in ((64, True), ((32, 64), True), (32, False), ((32, 96), False)):
        lines.clear()
        with open_session(setup.but(size=size), lines.append) as session:
            session.segmenter.extractor.choose_size((480, 640))
        assert any("--size: no effect" in line and "32x96" in line for line in lines) == has_note


def advice(line: str) -> Alignment:
    """Return the value of --align-depth in a note."""
    found = re.search(r"--align-depth (\S+)$", line)
    assert found
    return Alignment(*map(float, found[1].split(",")))


def notes_of(setup: SessionConfig) -> list[str]:
    lines: list[str] = []
    with open_session(setup, lines.append):
        return [line for line in lines if "not registered to the colour" in line]


def test_settings_of_objects_without_objects_have_a_note() -> None:
    config = SegmenterConfig()
    assert unused(config) == unused(config.but(objects=True, quality="high", min_score=0.0)) == ""
    assert "--quality and --min-score" in unused(config.but(quality="high", min_score=0.0))
    assert "objects=True" in unused(config.but(min_score=0.5))


def test_flags_of_depth_without_depth_have_a_note(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((48, 64, 3), np.uint8))
    options = Options(depth_scale=1000.0, align_depth=Alignment(0.9, 1.0, 2.0))
    pictures = SessionConfig(str(tmp_path))
    with open_source(pictures.source) as source:
        assert unused_depth_flags(source, pictures) == ""
        assert "--depth-scale and --align-depth" in unused_depth_flags(source, pictures.but(options=options))
        assert "--depth: no effect" in unused_depth_flags(source, pictures.but(depth=2.0))
    with open_source(SAMPLE) as source:
        assert unused_depth_flags(source, pictures.but(options=options)) == ""


def test_a_foreground_weight_without_a_head_has_a_note() -> None:
    lines: list[str] = []
    with open_session(SessionConfig(SAMPLE).but(foreground=1.0, size=64), lines.append) as session:
        session.prepare()
    assert [line for line in lines if "--foreground: no effect" in line]


def test_misaligned_depth_has_one_note_whose_advice_corrects_it(shared: Path) -> None:
    kitchen = str(shared / "data" / "sevenscenes_redkitchen")
    (line,) = notes_of(SessionConfig(kitchen))
    assert line.startswith("to do: the depth is not registered to the colour")
    assert "640x480" in line
    move = advice(line)
    assert 40 < int(line.split("up to ")[1].split()[0]) < 65
    aligned = Options(align_depth=move)
    assert notes_of(SessionConfig(kitchen).but(options=aligned)) == []
    with open_source(kitchen, aligned) as source:
        assert misaligned(source) == ""  # the frames themselves are aligned now


def test_depth_that_is_not_used_is_not_checked(shared: Path) -> None:
    kitchen = str(shared / "data" / "sevenscenes_redkitchen")
    assert notes_of(SessionConfig(kitchen).but(edges=False)) == []
    assert len(notes_of(SessionConfig(kitchen).but(edges=False, depth=0.5))) == 1


@pytest.mark.parametrize("name", ["uoc_tabletop_rgbd", "apc_shelf_rgbd_masks", "rgbd_other_formats", "co3d_hydrant"])
def test_there_is_no_note_about_other_recordings(name: str, shared: Path) -> None:
    assert notes_of(SessionConfig(str(shared / "data" / name))) == []


def test_unreadable_frames_are_skipped_when_the_alignment_is_checked(shared: Path, tmp_path: Path) -> None:
    files = sorted((shared / "data" / "sevenscenes_redkitchen").glob("frame-00030*.*.*"))
    for file in files:
        if file.suffix in (".png", ".jpg"):
            shutil.copyfile(file, tmp_path / file.name)
    pictures, depths = sorted(tmp_path.glob("*.color.jpg")), sorted(tmp_path.glob("*.depth.png"))
    for path in (pictures[0], depths[-1]):
        path.write_bytes(path.read_bytes()[:1000])
    with open_source(str(tmp_path)) as source:
        assert advice(misaligned(source)).scale == pytest.approx(0.9, abs=0.03)
    for path in (*pictures[1:], *depths[:-1]):
        path.write_bytes(path.read_bytes()[:1000])
    with open_source(str(tmp_path)) as source:
        assert misaligned(source) == ""
