"""Untrusted archives: regular files are unpacked, and nothing else is ever written."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from streamseg.errors import SourceError
from streamseg.sources import open_source
from streamseg.sources.reading import archives


def pack(path: Path, *members: tuple[str, bytes, dict[str, Any]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data, fields in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_plain_files_and_folders_come_out(tmp_path: Path) -> None:
    folder: dict[str, Any] = {"type": tarfile.DIRTYPE}
    path = pack(tmp_path / "a.tgz", ("./r", b"", folder), ("./r/a", b"old", {}), ("r/a", b"new", {}), ("s/b", b"", {}))
    archives.unpack(path, tmp_path / "out")
    files = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert files == {"r/a", "s/b"}
    assert (tmp_path / "out/r/a").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("../out.txt", {}),
        ("/tmp/out.txt", {}),
        ("a/../../out.txt", {}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "elsewhere"}),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "first"}),
        ("pipe", {"type": tarfile.FIFOTYPE}),
        ("disk", {"type": tarfile.BLKTYPE}),
        ("a", {"pax_headers": {"path": "a\0b"}}),
        ("a", {"pax_headers": {"comment": "x" * (2 << 20)}}),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    name: str, fields: dict[str, Any], tmp_path: Path, cache: Path
) -> None:
    path = pack(tmp_path / "a.tgz", ("first", b"1", {}), (name, b"", fields))
    with pytest.raises(SourceError, match=r"not safe to unpack|damaged"):
        open_source(str(path))
    assert {item.name for item in tmp_path.iterdir()} <= {"a.tgz", "cache"}
    assert not [item for item in cache.rglob("*") if item.name != "recordings"]


def test_bombs_end_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(archives, "MIN_LIMIT", 1 << 20)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    large = pack(tmp_path / "large.tgz", ("zeros", bytes(3 << 20), {}))
    with pytest.raises(SourceError, match="more than 1 MiB when unpacked"):
        open_source(str(large))
    many = pack(tmp_path / "many.tgz", *((str(i), b"", {}) for i in range(4)))
    with pytest.raises(SourceError, match="more than 3 files"):
        open_source(str(many))


def test_a_flipped_checksum_is_damage(tmp_path: Path) -> None:
    data = bytearray(pack(tmp_path / "a.tgz", ("a", b"1", {})).read_bytes())
    data[-5] ^= 1
    (tmp_path / "a.tgz").write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        archives.unpack(tmp_path / "a.tgz", tmp_path / "out")
    assert gzip.BadGzipFile in archives.ARCHIVE_ERRORS


def test_a_header_that_is_none_is_damage_though_the_checksum_holds(tmp_path: Path) -> None:
    whole = gzip.decompress(pack(tmp_path / "a.tgz", ("a", b"1", {}), ("b", b"2", {})).read_bytes())
    (tmp_path / "b.tgz").write_bytes(gzip.compress(whole[:1024] + b"?" * 512 + whole[1536:]))
    with pytest.raises(SourceError, match="header in its middle"):
        archives.unpack(tmp_path / "b.tgz", tmp_path / "out")


@pytest.mark.parametrize("names", [("r/a", "r"), ("r", "r/a"), ("n" * 300,), ("d/" * 3000 + "x",)])
def test_names_that_no_disk_takes_are_told_as_such(names: tuple[str, ...], tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tgz", *((name, b"1", {}) for name in names))
    with pytest.raises(SourceError, match="names that cannot be written") as caught:
        archives.unpack(path, tmp_path / "out")
    assert "unpack it" in caught.value.hint
