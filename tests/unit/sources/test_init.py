"""`open_source`: the kind that is recognized, and the error if none is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg import plugins, sources
from streamseg.errors import SourceError
from streamseg.sources import Options, kinds, open_source, split_kind, split_part


def test_every_kind_keeps_the_plugin_contract() -> None:
    wanted = "bag bop camera co3d davis images index kinect ocid realsense record3d rgbd scannet shards stray tum video"
    assert set(kinds()) == set(wanted.split())
    for name, description in kinds().items():
        module = plugins.load("streamseg.sources", name)
        assert isinstance(module.PRIORITY, int)
        assert callable(module.recognizes)
        assert callable(module.open)
        assert 10 < len(description) < 120


@pytest.mark.parametrize("uri", ["", ".", "\0", "a" * 5000, "/dev/null", "/proc/self/mem", "::", "C:\\video.mp4", "-1"])
def test_recognition_never_raises(uri: str) -> None:
    for name in kinds():
        assert plugins.load("streamseg.sources", name).recognizes(uri) in (True, False)


def test_only_known_kinds_are_split_off() -> None:
    assert split_kind("tum:/a/b") == ("tum", "/a/b")
    assert split_kind("camera:rtsp://x") == ("camera", "rtsp://x")
    for plain in ("rtsp://x", "C:\\x", "/a:b", "0", "unknown:x"):
        assert split_kind(plain) == (None, plain)


def test_a_part_is_split_off_unless_the_path_exists(tmp_path: Path) -> None:
    assert split_part("co3d/apple#fewview_dev/train") == ("co3d/apple", "fewview_dev/train")
    assert split_part("co3d/apple") == ("co3d/apple", "")
    (tmp_path / "take#2").mkdir()
    assert split_part(str(tmp_path / "take#2")) == (str(tmp_path / "take#2"), "")
    assert split_part(str(tmp_path / "take#2#train")) == (str(tmp_path / "take#2"), "train")


def fail(uri: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        open_source(uri)
    error = caught.value
    assert error.hint
    assert "\n" not in error.message + error.hint
    return error


def broken(name: str, folder: Path, make: Any) -> tuple[str, str]:
    """Return a path that cannot be opened, and words that its error has to contain."""
    path = folder / name
    if name == "absent":
        return str(path), "there is no"
    if name == "nul":
        return f"{path}\0x", "there is no"
    if name == "long":
        return str(folder / ("x" * 5000)), "there is no"
    if name == "unknown_kind":
        return f"tumm:{path}", "no source is called 'tumm'"
    if name == "text.txt":
        path.write_text("hello")
        return str(path), "neither a video"
    if name == "packed.zip":
        path.write_bytes(b"PK")
        return str(path), "is an archive; only .tgz"
    if name == "nothing.bin":
        path.touch()
        return str(path), "is empty"
    if name == "listed_absent":
        path.mkdir()
        (path / "rgb.txt").write_text("1.0 rgb/1.0.png\n2.0 rgb/2.0.png\n")
        return str(path), "no usable frame (2 are listed"
    if name == "no_lines":
        path.mkdir()
        (path / "rgb.txt").write_bytes(bytes(range(256)))
        return str(path), "no usable frame"
    path.mkdir()
    if name == "texts":
        (path / "a.txt").write_text("a")
        return str(path), "no images, no video and no recording, but a.txt"
    if name == "two_inside":
        make.images(path / "x")
        make.images(path / "y")
        return str(path), "holds 2 recordings"
    if name == "videos":
        make.video(path / "a.mp4", 3)
        make.video(path / "b.mp4", 3)
        return str(path), "holds 2 videos"
    if name == "depth_only":
        make.depth(path / "0.depth.png", np.ones((4, 4)))
        return str(path), "only depth images"
    return str(path), "is empty"


BROKEN = (
    "absent",
    "nul",
    "long",
    "unknown_kind",
    "text.txt",
    "packed.zip",
    "nothing.bin",
    "listed_absent",
    "no_lines",
    "texts",
)


@pytest.mark.parametrize("name", [*BROKEN, "two_inside", "videos", "depth_only", "empty"])
def test_every_failure_has_its_own_clear_words(name: str, tmp_path: Path, make: Any) -> None:
    uri, words = broken(name, tmp_path, make)
    assert words in fail(uri).message


def test_an_address_of_a_file_is_answered_with_its_path() -> None:
    assert fail("file:///home/a%20b/clip.mp4").hint == "give the path alone: /home/a b/clip.mp4"


def test_colour_and_depth_of_other_names_are_no_two_recordings(tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "rgb/a.png", make.texture(0))
    make.depth(tmp_path / "depth/b.png", np.ones((4, 4)))
    error = fail(str(tmp_path))
    assert "no two of their files have the same name" in error.message
    assert "rgb.txt and depth.txt" in error.hint


def test_pictures_of_a_format_that_is_not_read_are_to_be_converted(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/IMG_1.HEIC").write_bytes(b"heic")
    for uri in (tmp_path / "photos", tmp_path / "photos/IMG_1.HEIC"):
        error = fail(str(uri))
        assert "of a format that is not read" in error.message
        assert "PNG" in error.hint


def test_a_file_of_a_recording_is_answered_with_its_folder(tmp_path: Path, make: Any) -> None:
    folder = make.tum(tmp_path / "tum")
    for name in ("rgb.txt", "depth.txt"):
        assert fail(str(folder / name)).hint == f"give the recording that it belongs to: {folder}"


@pytest.mark.parametrize("kind", ["co3d", "davis", "images", "index", "kinect", "rgbd", "shards", "tum", "video"])
def test_a_forced_kind_on_the_wrong_thing_is_an_error(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    for uri in (tmp_path / "a.txt", tmp_path / "empty", tmp_path / "absent"):
        fail(f"{kind}:{uri}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_told(tmp_path: Path, make: Any) -> None:
    make.images(tmp_path / "secret")
    (tmp_path / "secret").chmod(0)
    try:
        assert "cannot be read" in fail(str(tmp_path / "secret")).message
    finally:
        (tmp_path / "secret").chmod(0o700)


def test_a_folder_with_one_recording_inside_opens(tmp_path: Path, make: Any) -> None:
    make.tum(tmp_path / "downloads" / "desk")
    (tmp_path / "downloads" / "notes").mkdir()
    assert open_source(str(tmp_path / "downloads")).kind == "tum"


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_depth_scale(scale: float) -> None:
    with pytest.raises(SourceError, match="depth scale"):
        Options(depth_scale=scale)


def test_home_is_expanded(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make.images(tmp_path / "pictures")
    assert open_source("~/pictures").kind == open_source("images:~/pictures").kind == "images"


def imported(code: str) -> set[str]:
    """Return the modules that a new Python process has loaded after `code`."""
    root = Path(sources.__file__).resolve().parents[2]
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    return set(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split())


def test_kinds_are_listed_without_heavy_imports() -> None:
    heavy = imported("from streamseg.sources import kinds; kinds()")
    assert not heavy & {"cv2", "av", "torch", "PIL"}


def test_images_open_without_the_video_library(tmp_path: Path, make: Any) -> None:
    make.images(tmp_path)
    modules = imported(f"from streamseg.sources import open_source; open_source({str(tmp_path)!r})[0]")
    assert "cv2" in modules
    assert not modules & {"av", "torch"}
