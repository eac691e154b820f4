"""Images of attention: the arrangement of the panels, and the attention of a real network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.backbones import Spec
from streamseg.config import SessionConfig
from streamseg.errors import ModelError, OutputError
from streamseg.evaluation.attention import GAP, SIDE, TITLE, heat, panels, write

ROOT = Path(__file__).resolve().parents[3]


def brightness(picture: np.ndarray) -> np.ndarray:
    return picture.astype(int).sum(axis=2)


def test_heat_rises_with_attention() -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    shown = brightness(heat(values, (6, 4)))
    assert (np.diff(shown.ravel()[:-1]) >= 0).all()
    assert shown[0, 0] < 20
    assert shown[-1, -1] > 600


def test_a_few_sinks_do_not_darken_the_rest() -> None:
    values = np.ones((20, 20), np.float32)
    values[:10] = 0
    values[0, 0] = 1000
    assert brightness(heat(values, (20, 20)))[15, 15] > 600


def test_flat_attention_can_be_shown() -> None:
    assert brightness(heat(np.full((3, 3), 0.1, np.float32), (9, 9))).max() < 20


@pytest.mark.parametrize("heads", [1, 3, 6, 12])
def test_a_panel_for_the_frame_the_mean_and_each_head(heads: int) -> None:
    rgb = np.full((60, 80, 3), 130, np.uint8)
    attention = np.zeros((heads, 6, 8), np.float32)
    for head in range(heads):
        attention[head, 3:, head % 8] = 1
    picture = panels(rgb, attention)
    height = SIDE * 60 // 80
    columns = (picture.shape[1] - GAP) // (SIDE + GAP)
    assert picture.shape[0] == GAP + -(-(heads + 2) // columns) * (height + TITLE + GAP)

    def panel(number: int) -> np.ndarray:
        y, x = GAP + number // columns * (height + TITLE + GAP) + TITLE, GAP + number % columns * (SIDE + GAP)
        return picture[y : y + height, x : x + SIDE]

    assert (panel(0) == 130).all()
    for head in range(heads):
        lit = brightness(panel(head + 2)) > 600
        assert lit[-5, SIDE * (head % 8) // 8 + 10]
        assert lit.mean() == pytest.approx(1 / 16, abs=0.01)


def test_a_cnn_has_no_cls_token(tmp_path: Path) -> None:
    setup = SessionConfig(str(ROOT / "samples" / "tabletop")).but(spec=Spec("efficientnet_lite0"))
    with pytest.raises(ModelError, match="no CLS attention"):
        write(setup, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_real_vit_gives_a_picture_for_each_frame(tmp_path: Path, shared: Path) -> None:
    weights = str(shared / "weights" / "vit_tiny_patch16_224_imagenet.safetensors")
    spec = Spec("timm:vit_tiny_patch16_224", weights)
    setup = SessionConfig(str(ROOT / "samples" / "tabletop")).but(spec=spec, size=96, engine="torch")
    result = write(setup, tmp_path / "out", every=4, max_frames=2)
    assert (result["frames"], result["heads"], result["skipped"]) == (2, 3, {})
    pictures = sorted((tmp_path / "out").iterdir())
    assert [path.suffix for path in pictures] == [".png", ".png"]
    first, second = (cv2.imread(str(path)) for path in pictures)
    assert first.shape == second.shape
    assert (first != second).any()


def test_an_output_that_is_no_folder_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    setup = SessionConfig(str(tmp_path / "no such video.mp4")).but(spec=Spec("dino_vits16"))
    with pytest.raises(OutputError, match="is not a folder"):
        write(setup, tmp_path / "file")
