"""Downloads from a server on the loopback that breaks off, changes files and sends wrong ones."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

from streamseg.cli.data import data
from streamseg.downloads import fetch
from streamseg.downloads.catalogue import Archive, DataSet, find
from streamseg.errors import SourceError
from streamseg.sources import open_source
from train.data.recordings import open_recordings


class Served(NamedTuple):
    """files: content by path. ranges: Range of each request. cut: bytes after which a connection breaks, by path."""

    url: str
    files: dict[str, bytes]
    ranges: list[str]
    cut: dict[str, int]


@pytest.fixture
def server() -> Iterator[Served]:
    files: dict[str, bytes] = {}
    ranges: list[str] = []
    cut: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            ranges.append(self.headers.get("Range", ""))
            if path not in files:
                self.send_error(404)
                return
            content = files[path]
            tag, start = f'"{hashlib.md5(content).hexdigest()}"', 0
            if self.headers.get("Range") and self.headers.get("If-Range") == tag:
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : cut.get(path)])

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield Served(f"http://127.0.0.1:{http.server_address[1]}", files, ranges, cut)
        http.shutdown()
        thread.join()


def tgz(folder: Path) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(folder, arcname=folder.name)
    return file.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def quiet(*_: Any) -> None:
    pass


def test_a_tum_sequence_is_downloaded_and_opens(server: Served, tmp_path: Path, monkeypatch: Any) -> None:
    path = "/rgbd/dataset/freiburg2/rgbd_dataset_freiburg2_xyz.tgz"
    folder = tmp_path / "rgbd_dataset_freiburg2_xyz"
    _tum(folder)
    server.files[path] = tgz(folder)
    monkeypatch.setenv("STREAMSEG_DATA", str(tmp_path / "data"))
    done = CliRunner().invoke(data, ["tum", "fr2/xyz", "--mirror", server.url, "--json"], catch_exceptions=False)
    report = json.loads(done.stdout)
    assert report["licence"] == "CC BY 4.0"
    assert len(open_source(report["content"][0])) == 3  # type: ignore[arg-type]
    assert not list((tmp_path / "data/tum").glob("*.tgz"))
    CliRunner().invoke(data, ["tum", "fr2/xyz", "--mirror", server.url], catch_exceptions=False)
    assert server.ranges == [""]  # an existing data set is not downloaded again


def test_a_co3d_category_is_found_by_training(server: Served, tmp_path: Path, monkeypatch: Any) -> None:
    picture = io.BytesIO()
    from PIL import Image

    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture, "PNG")
    notes = {"apple/readme.txt": b"annotations"}
    frames = {f"apple/1_2_3/images/frame{i:06d}.png": picture.getvalue() for i in range(3)}
    for number, files in enumerate((notes, frames)):
        server.files[f"/co3dv2_231130/apple_{number:03d}_singlesequence.zip"] = zipped(files)
    monkeypatch.setenv("STREAMSEG_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(data, ["co3d", "apple", "--mirror", server.url], catch_exceptions=False)
    assert (tmp_path / "co3d/apple/readme.txt").exists()
    assert [len(recording) for recording in open_recordings(["co3d"])] == [3]


def test_an_interrupted_download_is_resumed(server: Served, tmp_path: Path) -> None:
    content = zipped({"a/b.bin": np.random.default_rng(0).bytes(500_000)})
    server.files["/x.zip"], server.cut["/x.zip"] = content, 200_000
    archive = Archive(f"{server.url}/x.zip", f"sha256:{hashlib.sha256(content).hexdigest()}")
    wanted = DataSet("davis", "", "https://example.org", (archive,))
    with pytest.raises(SourceError, match=r"the connection to 127.* broke off") as problem:
        fetch.fetch(wanted, tmp_path / "d", quiet)
    assert "try again, it goes on" in problem.value.hint
    server.cut.clear()
    fetch.fetch(wanted, tmp_path / "d", quiet)
    assert server.ranges[-1].startswith("bytes=")
    assert int(server.ranges[-1][6:-1]) > 0
    assert (tmp_path / "d/a/b.bin").stat().st_size == 500_000
    assert [path.name for path in (tmp_path / "d").iterdir() if path.name.startswith(".")] == [fetch.DONE]


def test_a_file_that_has_changed_is_downloaded_from_its_start(server: Served, tmp_path: Path) -> None:
    server.files["/x.zip"], server.cut["/x.zip"] = zipped({"a": bytes(300_000)}), 100_000
    wanted = DataSet("davis", "", "https://example.org", (Archive(f"{server.url}/x.zip"),))
    with pytest.raises(SourceError):
        fetch.fetch(wanted, tmp_path / "d", quiet)
    server.cut.clear()
    server.files["/x.zip"] = zipped({"b": b"other"})
    fetch.fetch(wanted, tmp_path / "d", quiet)
    assert (tmp_path / "d/b").read_bytes() == b"other"


@pytest.mark.parametrize(
    ("content", "hash", "message"),
    [
        (zipped({"a": b"1"}), "sha256:" + "0" * 64, "checksum differs"),
        (zipped({"../a": b"1"}), None, "not safe to unpack"),
        (zipped({"a": bytes(1000)})[:60], None, "truncated or damaged"),
        (b"<html>", None, "truncated or damaged"),
    ],
)
def test_a_wrong_archive_leaves_no_files(
    content: bytes, hash: str | None, message: str, server: Served, tmp_path: Path
) -> None:
    server.files["/x.zip"] = content
    wanted = DataSet("davis", "", "https://example.org", (Archive(f"{server.url}/x.zip", hash),))
    with pytest.raises(SourceError, match=message):
        fetch.fetch(wanted, tmp_path / "d", quiet)
    assert [path.name for path in (tmp_path / "d").iterdir()] == [fetch.DONE]
    assert not list((tmp_path / "d" / fetch.DONE).iterdir())


def test_no_network_and_no_such_file(server: Served, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="answers 404"):
        fetch.fetch(find("davis"), tmp_path, quiet, server.url)
    with pytest.raises(SourceError, match=r"no connection to 127.0.0.1:1") as problem:
        fetch.fetch(find("ocid"), tmp_path, quiet, "http://127.0.0.1:1")
    assert "researchdata.tuwien.at" in problem.value.hint


def test_too_little_space_is_reported_before_the_download(server: Served, tmp_path: Path, monkeypatch: Any) -> None:
    server.files["/x.zip"] = zipped({"a": bytes(1000)})
    wanted = DataSet("davis", "", "https://example.org", (Archive(f"{server.url}/x.zip"),))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 100))
    with pytest.raises(SourceError, match="GB free"):
        fetch.fetch(wanted, tmp_path / "d", quiet)


@pytest.mark.parametrize(
    ("kind", "part"),
    [("tum", ""), ("tum", "desk"), ("tum", "fr4/desk"), ("co3d", ""), ("co3d", "../x"), ("davis", "x")],
)
def test_parts_that_cannot_exist_are_refused(kind: str, part: str) -> None:
    with pytest.raises(SourceError):
        find(kind, part)


def _tum(folder: Path) -> None:
    from PIL import Image

    lines: dict[str, list[str]] = {"rgb": [], "depth": []}
    for i in range(3):
        for name, values in (("rgb", np.zeros((8, 8, 3), np.uint8)), ("depth", np.full((8, 8), 5000, np.uint16))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(folder / name / f"{i}.png")
            lines[name].append(f"{i} {name}/{i}.png")
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(text))
