"""Record3D: metres, confidence, and depth whose size the file has or lacks."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import Recording, open_source
from tests.unit.sources.layouts import colour, enlarged, ramp, write_record3d

pytest.importorskip("liblzfse", reason="pyliblzfse is not installed")


@pytest.mark.parametrize("sized", [True, False])
def test_what_was_written_comes_back(sized: bool, tmp_path: Path) -> None:
    source = open_source(str(write_record3d(tmp_path / "a.r3d", sized=sized)))
    assert isinstance(source, Recording)
    assert (source.kind, len(source), source.fps, source.depth_scale) == ("record3d", 4, 15.0, 1.0)
    for i in (3, 0, 2, 1):
        frame = source[i]
        size = (frame.rgb.shape[0], frame.rgb.shape[1])
        np.testing.assert_allclose(frame.rgb, colour(i, size), atol=3)
        expected = ramp(i, (size[0] // 2, size[1] // 2)) / 1000
        expected[1, 1] = 0  # confidence 0
        np.testing.assert_allclose(frame.depth, enlarged(expected, size), rtol=1e-5)
        assert frame.timestamp == pytest.approx(i / 15)
    wanted = Intrinsics(60.0, 61.0, 31.5, 23.5) if sized else Intrinsics(500.0, 501.0, 255.5, 191.5)
    assert source[0].intrinsics == wanted


@pytest.mark.parametrize("number", [1, 4, 5, 6])
def test_broken_files_end_in_words_or_are_counted(number: int, tmp_path: Path) -> None:
    path = write_record3d(tmp_path / "a.r3d")
    data = path.read_bytes()
    if number < 5:
        path.write_bytes(data[: int(len(data) * (0, 0.1, 0.5, 0.9, 0.99)[number])])
        with pytest.raises(SourceError, match="damaged or no Record3D file"):
            open_source(str(path))
        return
    changed = np.frombuffer(data, np.uint8).copy()
    changed[np.random.default_rng(number).integers(0, len(data), 20)] ^= 0xFF
    path.write_bytes(changed.tobytes())
    try:
        source = open_source(str(path))
    except SourceError:
        return
    for i in range(len(source)):
        try:
            frame = source[i]
        except FrameError:
            continue
        np.testing.assert_allclose(
            frame.rgb, colour(int(frame.name)), atol=3
        )  # frames that are read are intact, because ZIP has checksums
        assert frame.depth is not None or frame.depth_problem


@pytest.mark.parametrize("text", ["", "[]", "{", '{"K": ["a"]}', '{"fps": []}'])
def test_broken_metadata_end_in_words(text: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.r3d", "w") as archive:
        archive.writestr("metadata", text)
    with pytest.raises(SourceError):
        open_source(str(tmp_path / "a.r3d"))


def test_without_matrix_the_intrinsics_are_unknown(tmp_path: Path) -> None:
    whole = zipfile.ZipFile(write_record3d(tmp_path / "a.r3d"))
    with whole, zipfile.ZipFile(tmp_path / "b.r3d", "w") as archive:
        archive.writestr("metadata", json.dumps({"fps": 30, "dw": 32, "dh": 24}))
        for name in whole.namelist()[1:]:
            archive.writestr(name, whole.read(name))
    source = open_source(str(tmp_path / "b.r3d"))
    assert source[0].intrinsics is None
    assert any("intrinsics are unknown" in note for note in source.notes)
