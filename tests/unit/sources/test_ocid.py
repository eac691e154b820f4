"""OCID: layout, and labels whose background is the floor or the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import FrameError
from streamseg.frame import Intrinsics
from streamseg.sources import Recording, open_source
from streamseg.sources.ocid import read_label
from tests.unit.sources.layouts import SIZE, colour, ramp, save, write_ocid


@pytest.mark.parametrize(("place", "ids"), [("table", [0, 1, 2]), ("floor", [0, 1, 2, 3])])
def test_what_was_written_comes_back(place: str, ids: list[int], tmp_path: Path) -> None:
    folder = write_ocid(tmp_path, place)
    source = open_source(str(folder))
    assert isinstance(source, Recording)
    assert (source.kind, len(source), source.depth_scale) == ("ocid", 3, 1000.0)
    for i in range(3):
        frame = source[i]
        assert np.array_equal(frame.rgb, colour(i))
        np.testing.assert_allclose(frame.depth, ramp(i, SIZE) / 1000, rtol=1e-5)
    mask = source[2].annotation
    assert mask is not None
    assert np.unique(mask).tolist() == ids
    assert (mask[30:40, 20:30] == ids[-1]).all()
    assert source.name_of(0) == "result_2018-08-20-14-53-10"


def test_intrinsics_belong_to_640_by_480(tmp_path: Path) -> None:
    folder = write_ocid(tmp_path)
    for path in (folder / "rgb").iterdir():
        save(path, colour(0, (480, 640)))
    assert open_source(str(folder))[0].intrinsics == Intrinsics(570.34, 570.34, 320.0, 240.0)


@pytest.mark.parametrize("values", [np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 300, np.uint16)])
def test_labels_that_cannot_be_are_frame_errors(values: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "a.png", values)
    with pytest.raises(FrameError):
        read_label(tmp_path / "a.png", 1)


def test_broken_labels_are_frame_errors(tmp_path: Path, cut: object) -> None:
    save(tmp_path / "a.png", np.zeros((4, 4), np.uint16))
    data = (tmp_path / "a.png").read_bytes()
    for share in range(10):
        (tmp_path / "a.png").write_bytes(data[: len(data) * share // 10])
        with pytest.raises(FrameError):
            read_label(tmp_path / "a.png", 1)
