"""CO3D's annotations by sequence: read once, cached, and read again if the file changes."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.errors import SourceError
from streamseg.sources.reading.co3d import annotations
from streamseg.sources.reading.co3d.annotations import elements, records_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def record(sequence: str, number: int, **more: Any) -> dict[str, Any]:
    view = {"R": [[1.0] * 3] * 3, "T": [0.0] * 3, "focal_length": [2.0, 2.0], "principal_point": [0.0, 0.0]}
    image = {"path": f"apple/{sequence}/images/frame{number:06d}.jpg", "size": [48, 64]}
    return {
        "sequence_name": sequence,
        "frame_number": number,
        "image": image,
        "viewpoint": view,
        "meta": {"a": 1},
    } | more


def write(path: Path, records: Any) -> Path:
    path.write_bytes(gzip.compress(json.dumps(records).encode()))
    return path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3), max_size=5), st.integers(1, 9), st.booleans())
def test_elements_are_those_of_the_whole_list(records: list[Any], chunk: int, spaced: bool) -> None:
    text = json.dumps(records, indent=1 if spaced else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotations, "CHUNK", chunk)
        assert list(elements(io.StringIO(text))) == records
        with pytest.raises(ValueError, match=r"."):
            list(elements(io.StringIO(text[:-1])))


@pytest.mark.parametrize("said", ["", "{}", "7", "[] []", "[{}, ", "[nonsense]", "[" * 100_000])
def test_what_is_no_list_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(elements(io.StringIO(said)))


def test_records_come_in_order_without_what_nobody_needs(tmp_path: Path) -> None:
    records = [record("b", 3), record("a", 9), record("b", 1, depth=None)]
    path = write(tmp_path / "frame_annotations.jgz", records)
    first, second = records_of(path, "b")
    assert (first["frame_number"], first["depth"], second["frame_number"]) == (1, None, 3)
    assert first["image"] == records[2]["image"]
    assert first["viewpoint"] == {"focal_length": [2.0, 2.0], "principal_point": [0.0, 0.0]}
    assert "meta" not in first
    assert records_of(path, "absent") == []


def test_a_file_is_read_once_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    path = write(tmp_path / "frame_annotations.jgz", [record("a", 1)])
    assert len(records_of(path, "a")) == 1
    annotations._open.cache_clear()  # as another process would find it
    with monkeypatch.context() as patch:
        patch.setattr(annotations, "elements", None)
        assert len(records_of(path, "a")) == 1
    write(path, [record("a", 1), record("a", 2)])
    assert len(records_of(path, "a")) == 2
    assert not list(cache.rglob("*.lock"))
    assert not list(cache.rglob(".*"))


def test_what_the_disk_forgot_is_made_again(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "frame_annotations.jgz", [record("a", 1)])
    wanted = records_of(path, "a")
    (kept,) = cache.rglob("*.sqlite")
    for damage in (kept.read_bytes()[:5000], b"no database", bytes(9000)):
        kept.write_bytes(damage)
        annotations._open.cache_clear()
        assert records_of(path, "a") == wanted


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    path = write(tmp_path / "frame_annotations.jgz", [record("a", 1)])
    assert len(records_of(path, "a")) == 1


def test_damage_is_an_error_and_nothing_is_kept(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "frame_annotations.jgz", [record("a", 1)])
    os.truncate(path, path.stat().st_size - 9)
    for _ in range(2):
        with pytest.raises(SourceError, match="cannot be read"):
            records_of(path, "a")
    assert not list(cache.rglob("*.sqlite"))
