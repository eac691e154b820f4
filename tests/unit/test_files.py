"""Atomic writes, safe names and locks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.errors import OutputError
from streamseg.files import (
    LEFT_OVER_SECONDS,
    NAME_BYTES,
    UniqueNames,
    _machine_name,
    locked,
    safe_name,
    sha256_of,
    written,
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


def test_files_are_written_atomically(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with written(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(RuntimeError), written(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / ".a.partial.json").symlink_to(mine)
    with written(tmp_path / "a.json") as temporary:
        temporary.write_text("ours")
    assert mine.read_text() == "mine"
    assert (tmp_path / "a.json").read_text() == "ours"


def test_temporary_files_of_ended_processes_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.partial-7@elsewhere.bin", tmp_path / ".a.partial-8@elsewhere.bin"
    child = subprocess.Popen(["true"])
    child.wait()
    dead, alive = (tmp_path / f".other.partial-{pid}@{_machine_name()}.bin" for pid in (child.pid, os.getppid()))
    for path in (old, new, dead, alive):
        path.write_bytes(b"x")
    os.utime(old, (0, new.stat().st_mtime - LEFT_OVER_SECONDS - 60))
    with written(tmp_path / "a.bin", shared=True) as temporary:
        temporary.write_bytes(b"y")
        assert str(os.getpid()) in temporary.name
    assert sorted(os.listdir(tmp_path)) == sorted([new.name, alive.name, "a.bin"])


@given(TEXT)
def test_every_name_can_be_written(name: str) -> None:
    safe = safe_name(name)
    assert "?" not in safe
    assert 0 < len(os.fsencode(safe)) <= NAME_BYTES + 8
    assert not set(safe) & set('<>:"/\\|?*\0\n\x1b\x9b')
    assert not safe.startswith(".")
    assert not safe.endswith((".", " "))


@pytest.mark.parametrize("name", ["00042", "1305031243.861657", "größe", "scene[kitchen]_1", "a b", "\udcff"])
def test_valid_names_do_not_change(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a/b", "a_b"), ("..", "_"), ("NUL", "_NUL"), ("a.", "a_"), ("", "_"), ("\ud800", "_"), ("\udcc2\udc9b", "_")],
)
def test_bad_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.lists(TEXT | st.sampled_from(["a/b", "a_b", "a:b", "a_b-2", "a_b-3"]), max_size=12))
def test_names_stay_unique(names: list[str]) -> None:
    unique = UniqueNames()
    given_names = [unique(name) for name in names]
    assert len(set(given_names)) == len(names)


def test_two_processes_exclude_each_other(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from streamseg.files import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    assert other.stdout.readline() == "in\n"
    with pytest.raises(OutputError, match="another run"), locked(tmp_path):
        pass
    other.kill()  # its lock goes with it, though the file stays
    other.communicate()
    with locked(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_the_sha256_is_that_of_all_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
