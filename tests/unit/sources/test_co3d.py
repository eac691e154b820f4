"""CO3D: with and without annotations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.errors import SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Options, Skip, open_source
from streamseg.sources.co3d import open as open_co3d
from streamseg.sources.co3d import pixels


def check_frame(frame: Any, width: int, unit: float) -> None:
    assert frame.rgb.shape == (48, width, 3)
    expected = np.zeros((48, width))
    expected[10:20, 10:20] = 1
    assert np.array_equal(frame.annotation, expected)
    depth = np.full((48, width), 1.5 * unit)
    depth[0, :2] = 0  # not finite
    depth[1] = 0  # masked out
    assert np.array_equal(frame.depth, depth)


def test_annotated(tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.co3d(tmp_path)))
    assert (source.kind, len(source)) == ("co3d", 3)
    for i in range(3):
        frame = source[i]
        check_frame(frame, 64 + i, unit=2.0)
        assert (frame.name, frame.timestamp) == (f"frame{i + 1:06d}", 2.0 + i)


def test_bare(tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.co3d(tmp_path, annotated=False)))
    assert (source.kind, len(source)) == ("co3d", 3)
    check_frame(source[1], 65, unit=1.0)
    assert source[1].intrinsics is None


def test_a_parent_with_one_sequence_opens_with_several_is_an_error(tmp_path: Path, make: Any) -> None:
    sequence = make.co3d(tmp_path / "data")
    assert len(open_source(str(sequence.parent))) == len(open_source(str(tmp_path / "data"))) == 3
    other = sequence.parent / "77_88_99"
    sequence.rename(other)
    make.co3d(tmp_path / "data")
    with pytest.raises(SourceError, match="2 CO3D sequences") as caught:
        open_source(str(sequence.parent))
    assert f"co3d:{sequence}" in caught.value.hint


def test_listed_but_absent_and_malformed_annotations_are_counted(tmp_path: Path, make: Any) -> None:
    sequence = make.co3d(tmp_path)
    (sequence / "images/frame000002.jpg").unlink()
    index = sequence.parent / "frame_annotations.jgz"
    with gzip.open(index, "rt") as file:
        records = json.load(file)
    for record in records:
        if record.get("frame_number") == 102:
            del record["image"]
    with gzip.open(index, "wt") as file:
        json.dump(records, file)
    source = open_source(str(sequence))
    assert len(source) == 1
    assert source.skipped == (Skip("frame000002", "missing file"), Skip("annotation 2", "malformed annotation"))


def test_damaged_annotations(tmp_path: Path, make: Any) -> None:
    index = make.co3d(tmp_path).parent / "frame_annotations.jgz"
    for content in (index.read_bytes()[:60], b"no gzip", gzip.compress(b'{"not": "a list"}')):
        index.write_bytes(content)
        with pytest.raises(SourceError, match="cannot be read"):
            open_source(str(index.parent))


def test_cameras_project_like_pytorch3d() -> None:
    """Oracle: project a point by PyTorch3D's definition (+x left, +y up), then map NDC to pixels."""
    size, focal, centre = [480, 640], np.array([2.0, 2.5]), np.array([0.1, -0.2])
    point = np.array([0.3, -0.4, 2.0])  # x left, y up, z forward
    ndc = focal * point[:2] / point[2] + centre
    for form, unit in (("ndc_norm_image_bounds", np.array([320, 240])), ("ndc_isotropic", np.array([240, 240]))):
        found = pixels({"focal_length": focal, "principal_point": centre, "intrinsics_format": form}, size)
        assert isinstance(found, Intrinsics)
        x, y, z = point * [-1, -1, 1]  # x right, y down
        ours = np.array([found.fx * x / z + found.cx, found.fy * y / z + found.cy])
        np.testing.assert_allclose(ours, np.array([320, 240]) - ndc * unit)


def test_real_sequences(shared: Path) -> None:
    for name in ("co3d_hydrant", "co3d_backpack"):
        source = open_co3d(str(shared / "data" / name), Options())
        assert len(source) == 10
        shares = [float(np.mean(source[i].annotation)) for i in (0, 9)]
        assert all(0.05 < share < 0.6 for share in shares)
