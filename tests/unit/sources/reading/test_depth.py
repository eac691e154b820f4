from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.errors import FrameError, SourceError
from streamseg.sources import DepthScale, Options, open_source
from streamseg.sources.reading.depth import (
    FARTHEST,
    NEAREST,
    SCALES,
    Encoding,
    check_frames,
    check_scale,
    estimate_units,
    read_metres,
    resized,
)
from streamseg.sources.reading.files import Entry, FileRecording
from streamseg.text.asking import requests_in
from tests.unit.sources.layouts import WRITERS
from tests.unit.sources.test_contract import build


def test_depth_is_metres(tmp_path: Path, make: Any) -> None:
    make.depth(tmp_path / "d.png", np.array([[0, 5000], [12345, 65535]]))
    depth = read_metres(tmp_path / "d.png", Encoding(5000.0))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[0, 1], [2.469, 0]], rtol=1e-6)  # 65535 is no reading


def test_arrays_are_read_and_what_is_no_number_is_no_reading(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.array([[1.5, np.nan], [np.inf, -1.0]]))
    assert read_metres(tmp_path / "d.npy", Encoding(1.0)).tolist() == [[1.5, 0], [0, 0]]
    np.save(tmp_path / "d.npy", np.zeros((2, 2, 3)))
    with pytest.raises(FrameError, match="not one number a pixel"):
        read_metres(tmp_path / "d.npy", Encoding(1.0))
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FrameError, match="unreadable"):
        read_metres(tmp_path / "d.npy", Encoding(1.0))


@pytest.mark.parametrize(
    "values", [np.zeros((0, 0)), np.zeros((48, 64, 3)), np.full((48, 64), np.nan), np.array(["a"])]
)
def test_depth_without_a_reading_is_told(values: np.ndarray, tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "rgb/0.png", make.texture(0))
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/0.npy", values)
    source = open_source(str(tmp_path))
    assert any("depth files that were looked at holds a reading" in note for note in source.notes)


@pytest.mark.parametrize(("metres", "fits"), [(0.05, True), (0.049, False), (60, True), (61, False)])
def test_medians_from_5_cm_to_60_m_are_believed(metres: float, fits: bool, tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "rgb/0.png", make.texture(0))
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/0.npy", np.full(make.texture(0).shape[:2], metres, np.float32))
    if fits:
        open_source(str(tmp_path)).close()
    else:
        with pytest.raises(SourceError, match="half of its depth would lie"):
            open_source(str(tmp_path))


@pytest.mark.parametrize(("units", "wanted"), [(0.5, "60"), (200_000, "0.01")])
def test_an_absurd_median_is_an_error_that_names_candidates(
    tmp_path: Path, make: Any, units: float, wanted: str
) -> None:
    make.depth(tmp_path / "d.png", np.full((4, 4), 2000))
    with pytest.raises(SourceError, match=r"half of its depth would lie (beyond|within)") as caught:
        check_scale("x", [(tmp_path / "d.png", Encoding(units))], DepthScale(units, "--depth-scale"))
    assert "1000 (2 m)" in caught.value.hint


def test_an_assumed_scale_is_told(tmp_path: Path, make: Any) -> None:
    make.rgbd(tmp_path, colour="{}-color.png")
    source = open_source(str(tmp_path))
    assert source.depth_scale == 1000
    assert source.depth_scale_origin.startswith("assumed")
    (note,) = (note for note in source.notes if "1000 units per metre (assumed" in note)
    assert requests_in([note])


@pytest.mark.parametrize(("stored", "units"), [(900, 1000), (7000, 1000), (9800, 10000), (40_000, 10000), (150, 256)])
def test_an_unknown_scale_is_estimated_where_the_usual_one_cannot_be(
    tmp_path: Path, make: Any, stored: int, units: float
) -> None:
    files = []
    for number in range(4):
        files.append(tmp_path / f"{number}.png")
        make.depth(files[-1], np.full((4, 4), stored))
    assert estimate_units(files) == units
    assert estimate_units([tmp_path / "missing.png"]) == 1000


def test_the_scale_of_names_as_in_7_scenes_is_known(tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.rgbd(tmp_path)))
    assert (source.depth_scale, source.depth_scale_origin) == (1000, "the format's own")
    assert not any("units per metre" in note for note in source.notes)


def test_an_estimated_scale_is_told(tmp_path: Path, make: Any) -> None:
    make.rgbd(tmp_path)
    for path in tmp_path.rglob("*depth*.png"):
        make.depth(path, np.full((48, 64), 10_000))
    source = open_source(str(tmp_path))
    assert source.depth_scale == 10000
    assert any("10000 units per metre (assumed, estimated" in note for note in source.notes)


def test_another_size_of_the_same_shape_is_scaled_without_smearing() -> None:
    depth = np.repeat(np.array([[1.0, 2.0]], np.float32), 2, axis=0)
    large = resized(depth, (4, 4))
    assert large.shape == (4, 4)
    assert set(np.unique(large)) == {1.0, 2.0}
    assert resized(depth, (9, 2)) is depth  # its aspect ratio differs: it is not registered


@pytest.mark.parametrize("kind", [*WRITERS, "bag", "bag_realsense", "kinect", "rgbd", "tum"])
def test_a_stated_scale_that_cannot_be_is_refused_with_others_that_can(kind: str, tmp_path: Path, make: Any) -> None:
    """For every kind with metric depth; also if depth is registered to the colour (bag_realsense, kinect), which drops
    the readings that a wrong scale moves next to the camera."""
    uri = build(kind, tmp_path, make)
    with open_source(uri) as source:
        depth, units = source[0].depth, source.depth_scale
    if depth is None or units is None:
        pytest.skip("has no depth")
    for wrong in (units / 1000, units * 1000):
        with pytest.raises(SourceError, match=r"half of its depth would lie (beyond|within)") as caught:
            open_source(uri, Options(depth_scale=wrong))
        assert "--depth-scale in units per metre" in caught.value.hint
    open_source(uri, Options(depth_scale=units)).close()


@pytest.mark.parametrize("metric", [True, False])
def test_depth_in_the_units_of_a_reconstruction_is_not_judged(metric: bool, tmp_path: Path, make: Any) -> None:
    """Shards of CO3D keep such depth, and ignore --depth-scale."""
    make.rgb(tmp_path / "a.png", make.texture(0))
    far = np.full(make.size, 100, np.float32)
    entry = Entry("a", 0, tmp_path / "a.png", depth=lambda: far, depth_is_metric=metric)
    recording = FileRecording("x", "images", [entry], Options())
    if metric:
        with pytest.raises(SourceError, match="beyond 100 m"):
            check_frames(recording, DepthScale(1, "--depth-scale"))
    else:
        check_frames(recording, DepthScale(1, "--depth-scale"))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 65534), st.floats(1e-3, 1e6))
def test_a_stated_scale_is_used_as_it_is_or_refused(tmp_path_factory: Any, stored: int, units: float) -> None:
    """No other scale replaces it silently. Suggested scales are plausible."""
    path = tmp_path_factory.mktemp("depth") / "d.png"
    cv2.imwrite(str(path), np.full((4, 4), stored, np.uint16))
    try:
        said = check_scale("x", [(path, Encoding(units))], DepthScale(units, "--depth-scale"))
    except SourceError as problem:
        assert not NEAREST <= stored / units <= FARTHEST
        suggested = [scale for scale in SCALES if f" {scale:g} (" in problem.hint]
        assert all(0.2 <= stored / scale <= 20 for scale in suggested)
    else:
        assert said == ""
        np.testing.assert_allclose(read_metres(path, Encoding(units)), stored / units, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 65534))
def test_a_scale_that_nobody_stated_is_estimated_and_said_or_refused(tmp_path_factory: Any, stored: int) -> None:
    path = tmp_path_factory.mktemp("depth") / "d.png"
    cv2.imwrite(str(path), np.full((4, 4), stored, np.uint16))
    units = estimate_units([path])
    assert units in SCALES
    try:
        said = check_scale("x", [(path, Encoding(units))], DepthScale(units, "assumed, estimated"))
    except SourceError:
        assert not NEAREST <= stored / units <= FARTHEST
    else:
        assert f"{units:g} units per metre (assumed, estimated)" in said
