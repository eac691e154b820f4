"""DAVIS: sequences, roots, masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.errors import FrameError, SourceError
from streamseg.sources import open_source


@pytest.mark.parametrize("start", ["", "JPEGImages", "JPEGImages/480p", "JPEGImages/480p/bear"])
def test_opens_from_the_root_down(start: str, tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.davis(tmp_path) / start))
    assert (source.kind, len(source), source.fps) == ("davis", 3, 24.0)
    assert [source.name_of(i) for i in range(3)] == ["00000", "00001", "00002"]


def test_masks_are_ids_and_void(tmp_path: Path, make: Any) -> None:
    mask = open_source(str(make.davis(tmp_path)))[1].annotation
    assert mask is not None
    assert np.unique(mask).tolist() == [0, 1, 2, 255]
    assert (mask[5:9, 5:9] == 1).all()
    assert (mask[20:30, 20:30] == 2).all()


def test_binary_masks_are_one_object(tmp_path: Path, make: Any) -> None:
    mask = open_source(str(make.davis(tmp_path, indexed=False)))[0].annotation
    assert mask is not None
    assert np.unique(mask).tolist() == [0, 1]
    assert mask.sum() == 16


def test_the_resolution_folder_may_be_missing(tmp_path: Path, make: Any) -> None:
    make.davis(tmp_path)
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / kind / "480p/bear").rename(tmp_path / kind / "bear")
        (tmp_path / kind / "480p").rmdir()
    source = open_source(str(tmp_path))
    assert (source.kind, len(source)) == ("davis", 3)
    assert source[0].annotation is not None


def test_several_sequences_are_listed(tmp_path: Path, make: Any) -> None:
    make.davis(tmp_path, "bear")
    make.davis(tmp_path, "camel")
    with pytest.raises(SourceError, match=r"2 DAVIS sequences.*bear.*camel") as caught:
        open_source(str(tmp_path))
    assert "davis:" in caught.value.hint
    assert len(open_source(str(tmp_path / "JPEGImages/480p/camel"))) == 3


def test_missing_and_misfitting_masks(tmp_path: Path, make: Any) -> None:
    make.davis(tmp_path)
    masks = tmp_path / "Annotations/480p/bear"
    (masks / "00001.png").unlink()
    make.rgb(masks / "00002.png", np.zeros((10, 10), np.uint8))
    source = open_source(str(tmp_path))
    assert source[1].annotation is None
    with pytest.raises(FrameError, match="mask is 10x10, colour is 64x48"):
        _ = source[2].annotation


def test_real_sequence(shared: Path) -> None:
    source = open_source(str(shared / "data/davis_car_shadow"))
    assert (source.kind, len(source)) == ("davis", 40)
    for i in (0, 39):
        frame = source[i]
        assert frame.rgb.shape == (480, 854, 3)
        assert frame.annotation is not None
        assert np.unique(frame.annotation).tolist() == [0, 1]
