"""Bad input: exit code 1 with `error:` and `hint:`, or a run that skips and counts. Never a traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from .conftest import ROOT

Cli = Callable[..., subprocess.CompletedProcess[str]]


def picture(seed: int = 0, size: tuple[int, int] = (96, 128), channels: int = 3) -> np.ndarray:
    shape = (*size, channels) if channels > 1 else size
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, *shape[2:]), dtype=np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with six good pictures."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(6):
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture(i))
    return folder


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-2].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    for word in words:
        assert word in done.stderr


def unusable(kind: str, tmp_path: Path) -> str:
    path = tmp_path / "source"
    if kind == "absent":
        return str(path)
    if kind in ("empty folder", "tum lists without files", "broken archive", "only broken images", "only text files"):
        path.mkdir()
    if kind == "text file":
        path.write_text("not a recording")
    elif kind == "not a video":
        path = tmp_path / "film.mp4"
        path.write_bytes(b"\x00" * 4000)
    elif kind == "broken archive":
        path = tmp_path / "rgbd.tgz"
        path.write_bytes(b"\x1f\x8b\x08\x00" + b"\x01" * 500)
    elif kind == "tum lists without files":
        for name in ("rgb", "depth"):
            (path / f"{name}.txt").write_text(f"# {name}\n1.0 {name}/1.0.png\n2.0 {name}/2.0.png\n")
    elif kind == "only broken images":
        for i in range(3):
            (path / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    elif kind == "only text files":
        (path / "readme.txt").write_text("hello")
    elif kind == "camera that is not there":
        return "97"
    elif kind == "stream that is not there":
        return "rtsp://127.0.0.1:9/none"
    elif kind == "forced kind that does not fit":
        path.mkdir()
        return f"davis:{path}"
    return str(path)


@pytest.mark.parametrize(
    "kind",
    [
        "absent",
        "empty folder",
        "text file",
        "not a video",
        "broken archive",
        "tum lists without files",
        "only broken images",
        "only text files",
        "camera that is not there",
        "stream that is not there",
        "forced kind that does not fit",
    ],
)
def test_unusable_sources_are_refused_and_leave_no_output(kind: str, cli: Cli, tmp_path: Path) -> None:
    done = cli("run", unusable(kind, tmp_path), "-o", tmp_path / "out")
    assert_refused(done)
    assert not (tmp_path / "out").exists()


def test_truncated_video_gives_what_decodes(images: Path, cli: Cli, tmp_path: Path) -> None:
    video = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 10, (128, 96))
    for i in range(20):
        writer.write(picture(i))
    writer.release()
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) * 2 // 3])
    done = cli("run", video, "-o", tmp_path / "out", "--size", "96", "--save", "labels", "--json")
    assert done.returncode == 0, done.stderr
    assert 5 <= json.loads(done.stdout)["frames"] < 20


def test_bad_frames_are_skipped_and_counted(images: Path, cli: Cli, tmp_path: Path) -> None:
    whole = (images / "002.png").read_bytes()
    (images / "002.png").write_bytes(whole[: len(whole) // 2])
    (images / "004.png").write_bytes(b"")
    done = cli("run", images, "-o", tmp_path / "out", "--size", "96", "--save", "labels", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["frames"], result["frames_in"]) == (4, 6)
    assert sum(reason["count"] for reason in result["skipped"].values()) == 2
    assert {name for reason in result["skipped"].values() for name in reason["frames"]} == {"002", "004"}


def test_odd_pictures_are_all_read(images: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.rmtree(images)
    folder = tmp_path / "Bilder mit Umlaut äöü 日本"
    folder.mkdir()
    odd = {
        "gray.png": picture(1, channels=1),
        "rgba.png": picture(2, channels=4),
        "deep.png": picture(3).astype(np.uint16) * 257,
        "tall.jpg": picture(4, (160, 90)),
        "größe.png": picture(5),
    }
    for name, image in odd.items():
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())
    done = cli("run", folder, "-o", tmp_path / "ö", "--size", "96", "--save", "overlay,labels,npz", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 5
    assert {path.stem for path in (tmp_path / "ö/labels").iterdir()} == {Path(name).stem for name in odd}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "efficientnet_lite"], ["did you mean 'efficientnet_lite0'?"]),
        (["--model", "missing.onnx"], ["missing.onnx"]),
        (["--weights", "missing.pth"], ["missing.pth"]),
        (["--layers", "9"], ["stage 9"]),
        (["--facet", "key"], ["facet"]),
        (["--engine", "openvin"], ["did you mean 'openvino'?"]),
        (["--device", "cuda"], ["cuda"]),
        (["--precision", "fp8"], ["precision"]),
        (["--model", "dino_vits16"], ["dino_vits16"]),
        (["--show"], ["display"]),
    ],
)
def test_unusable_choices_are_refused(
    flags: list[str], words: list[str], images: Path, cli: Cli, tmp_path: Path
) -> None:
    assert_refused(cli("run", images, "-o", tmp_path / "out", "--size", "96", *flags), *words)


def test_a_pickled_object_is_not_loaded(images: Path, cli: Cli, tmp_path: Path) -> None:
    import pickle

    weights = tmp_path / "evil.pth"
    trap = tmp_path / "trapped"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (trap,))

    weights.write_bytes(pickle.dumps({"state_dict": Evil()}))
    assert_refused(cli("run", images, "-o", tmp_path / "out", "--weights", weights), "evil.pth")
    assert not trap.exists()


def test_an_output_that_cannot_be_written(images: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_refused(cli("run", images, "-o", tmp_path / "file" / "out", "--size", "96"), "-o")


@pytest.mark.parametrize(
    "flags",
    [
        ["--k", "zero"],
        ["--keyframes", "0"],
        ["--k-range", "5"],
        ["--size", "0"],
        ["--save", "video"],
        ["--every", "0"],
        ["--align-depth", "x"],
        ["--nope"],
        ["second.mp4"],
    ],
)
def test_wrong_usage_exits_with_2(flags: list[str], images: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("run", images, "-o", tmp_path / "out", *flags)
    assert done.returncode == 2
    assert "Error:" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--k", "6"], ("--k", "--masks regions")),
        (["--save", "objects", "--no-edges"], ("--no-edges", "--masks regions")),
        (["--masks", "regions", "--quality", "high"], ("--quality", "--masks objects")),
        (["--save", "labels", "--min-score", "0"], ("--min-score", "--masks objects")),
    ],
)
def test_flags_of_masks_that_are_not_found(
    flags: list[str], named: tuple[str, str], images: Path, cli: Cli, tmp_path: Path
) -> None:
    done = cli("run", images, "-o", tmp_path / "out", *flags)
    assert done.returncode == 2
    assert all(word in done.stderr for word in named), done.stderr
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", tmp_path / "none", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("hint: ")


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_process_without_standard_streams(
    closed: str, images: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "streamseg", "run", images, "-o", tmp_path / "out", "--size", "96"]
    script = f'exec "$@" {closed}'
    done = subprocess.run(["sh", "-c", script, "sh", *command], env=environment, cwd=ROOT, timeout=300)
    assert done.returncode == 0
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "done"
