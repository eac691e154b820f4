"""The scripts in samples/ do what they say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("segment_video", "rgbd_centroids", "camera_loop", "to_supervision", "look_at_dataset")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's colour frames as a small video."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for file in sorted((ROOT / "samples" / "tabletop" / "rgb").iterdir())[:10]:
            picture = cv2.resize(cv2.imread(str(file)), (320, 240))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_and_tells(name: str, clip: Path, tmp_path: Path, environment: dict[str, str], cli: Cli) -> None:
    picture = tmp_path / "picture.png"
    if name == "look_at_dataset":
        run = "run", clip, "-o", tmp_path / "out", "--save", "dataset", "--masks", "objects", "--size", "160"
        assert cli(*run).returncode == 0
    script = ROOT / "samples" / f"{name}.py"
    arguments = {
        "segment_video": [clip, picture],
        "rgbd_centroids": [ROOT / "samples" / "tabletop"],
        "camera_loop": [clip, 5],
        "to_supervision": [clip, picture],
        "look_at_dataset": [tmp_path / "out" / "dataset", picture],
    }[name]
    command = [sys.executable, script, *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "object" in done.stdout
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 40
    if picture in arguments:
        height, width = cv2.imread(str(picture)).shape[:2]
        assert (height, width) == ((960, 1280) if name == "look_at_dataset" else (240, 320))
