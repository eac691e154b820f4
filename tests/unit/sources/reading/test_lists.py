"""TUM's lists: units of time stamps, encodings of text, and paths of Windows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.sources.reading.lists import find_associations, read_list, read_pairs, stamp_unit


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_lists_of_other_programs_are_read(encoding: str, slash: str, tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    (tmp_path / "rgb/a.png").touch()
    (tmp_path / "rgb.txt").write_bytes(f"# stamps\n1.5 rgb{slash}a.png\n".encode(encoding))
    frames, skipped = read_list(tmp_path, "rgb")
    assert (frames, skipped) == ([(1.5, tmp_path / "rgb/a.png")], [])


@given(
    unit=st.sampled_from([1e9, 1e6, 1e3]),
    start=st.integers(0, 400_000),
    step=st.integers(15, 199),
    n=st.integers(2, 30),
)
def test_whole_stamps_tell_their_unit_by_their_steps(unit: float, start: int, step: int, n: int) -> None:
    assert stamp_unit([(start + i * step) * unit / 1000 for i in range(n)])[0] == unit


def test_nanoseconds_since_boot_stay_nanoseconds() -> None:
    assert stamp_unit([1_000_000_000_000 + 33_000_000 * i for i in range(5)])[1] == "nanoseconds"


def test_seconds_stay_seconds() -> None:
    assert stamp_unit([1305031102.175304, 1305031102.211214]) == (1.0, "")
    assert stamp_unit([]) == (1.0, "")
    assert stamp_unit([1305031102175304000.0]) == (1e9, "nanoseconds")


def test_what_is_unusable_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "rgb.txt").write_text("1 a.png\n2 a.png\nx y\nnan a.png\n1e300 a.png\n3 gone.png\n")
    frames, skipped = read_list(tmp_path, "rgb")
    assert len(frames) == 1
    assert [skip.reason for skip in skipped] == ["listed twice", *3 * ["malformed line in the list"], "missing file"]


def test_pairs_are_read_in_either_order(tmp_path: Path) -> None:
    for name in ("rgb", "depth"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    index = tmp_path / "associations.txt"
    index.write_text("2.0 depth/1.png 1.0 rgb/1.png\n")
    pairs, skipped = read_pairs(index)
    assert (pairs, skipped) == ([(1.0, tmp_path / "rgb/1.png", tmp_path / "depth/1.png")], [])
    assert find_associations(tmp_path) == index
