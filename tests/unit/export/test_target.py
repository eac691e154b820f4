"""Names of files, and that they are written as a whole or not at all: an older file survives every error."""

from __future__ import annotations

import errno
import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.target import check_name, slug, stem, written
from streamseg.errors import OutputError


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "net.onnx"
    with written(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".onnx"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def full_disk():
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("event", "expected"),
    [(interrupt, KeyboardInterrupt), (full_disk, OutputError)],
)
def test_an_old_file_survives(event, expected, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(expected), written(path) as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        event()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_full_disk_says_so(tmp_path):
    with pytest.raises(OutputError) as caught, written(tmp_path / "net.onnx"):
        full_disk()
    assert "disk is full" in caught.value.hint


def refused(path, needs=0):
    """Return the error that is raised before any work."""
    with pytest.raises(OutputError) as caught, written(path, needs):
        pytest.fail("the work began")
    return caught.value


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    assert "no folder" in refused(tmp_path / "no" / "net.onnx").message
    (tmp_path / "file").write_text("")
    assert "no folder" in refused(tmp_path / "file" / "net.onnx").message
    assert "are needed" in refused(tmp_path / "net.onnx", needs=2**60).message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("name", ["net", "net.txt", "net.trt"])
def test_a_name_that_run_would_not_recognize_is_refused(name, tmp_path):
    for suffixes in ((".onnx",), (".xml",), (".plan", ".engine")):
        with pytest.raises(OutputError, match="is not a name for this format") as caught:
            check_name(tmp_path / name, *suffixes)
        assert str(tmp_path / f"net{suffixes[0]}") in caught.value.hint
        check_name(tmp_path / f"net{suffixes[-1]}", *suffixes)
        check_name(tmp_path / f"NET{suffixes[0].upper()}", *suffixes)  # `run` recognizes it, too
        with pytest.raises(OutputError, match="is not a name for this format"):
            check_name(tmp_path / f"NET{suffixes[0].upper()}", *suffixes, exact=True)
        with pytest.raises(OutputError, match="is a folder"):
            check_name(tmp_path, *suffixes)


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    if os.geteuid() == 0:  # root may write anywhere: the kernel is asked for a place where not even root may
        folder = "/proc"
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        folder = str(tmp_path / "closed")
    assert "cannot write" in refused(type(tmp_path)(folder) / "net.onnx").message


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet18", "resnet18"),
        ("timm:vit_tiny.in1k", "vit_tiny.in1k"),
        ("runs/my byol.pt", "my_byol"),
        ("runs/NET.fp16.ONNX", "NET.fp16"),
        ("hub/net", "hub_net"),
    ],
)
def test_a_file_is_named_by_the_model_it_is_made_of(model, name):
    assert stem(model) == name


@given(st.text(max_size=30))
def test_a_slug_is_a_part_of_a_file_name(text):
    assert not set(slug(text)) & set('/\\ :*?"<>|\0\n')
