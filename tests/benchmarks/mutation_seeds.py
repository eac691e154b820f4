"""Small sources of every kind, and small models: the inputs that `mutations.py` changes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from PIL import Image

from streamseg.sources import open_source
from tests.unit.sources import recordings
from tests.unit.sources.conftest import Make

FRAMES, SIZE = 5, (48, 64)
LAYOUTS = ("bag", "bop", "kinect", "ocid", "record3d", "scannet", "shards", "stray")
"""Kinds of recordings that are written as in the unit tests."""


class Seed(NamedTuple):
    """A folder with one source or model. start: the argument of the command, below the folder. frames: their number.
    listed: whether a list or a header states it, and not only the files."""

    folder: Path
    start: str
    frames: int = FRAMES
    listed: bool = False
    model: bool = False


def scene(index: int) -> np.ndarray:
    """(H, W, 3) uint8: two coloured objects in front of a background."""
    rgb = np.full((*SIZE, 3), (90, 120, 80), np.uint8)
    rgb[10:30, 5 + index : 20 + index], rgb[20:44, 40:56] = (200, 40, 40), (40, 60, 210)
    return np.clip(rgb + np.random.default_rng(index).integers(-8, 9, rgb.shape), 0, 255).astype(np.uint8)


def mask(index: int) -> np.ndarray:
    ids = np.zeros(SIZE, np.uint8)
    ids[10:30, 5 + index : 20 + index], ids[20:44, 40:56] = 1, 2
    return ids


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def depth(index: int) -> np.ndarray:
    return np.where(mask(index) > 0, 1000, 2000 + index).astype(np.uint16)


def images(folder: Path, suffix: str = ".png") -> Seed:
    for i in range(FRAMES):
        save(folder / f"images/{i:04d}{suffix}", scene(i))
        save(folder / f"masks/{i:04d}.png", mask(i))
    return Seed(folder, "")


def tum(folder: Path) -> Seed:
    for which in ("rgb", "depth"):
        stamps = [f"{100 + i / 30:.6f}" for i in range(FRAMES)]
        lines = [f"{stamp} {which}/{stamp}.png" for stamp in stamps]
        for i, stamp in enumerate(stamps):
            save(folder / f"r/{which}/{stamp}.png", scene(i) if which == "rgb" else depth(i) * np.uint16(5))
        (folder / f"r/{which}.txt").write_text("\n".join(["# stamp file", *lines]) + "\n")
    (folder / "r/calibration.txt").write_text("52 52 31.5 23.5\n")
    return Seed(folder, "r", listed=True)


def archive(folder: Path) -> Seed:
    tum(folder)
    with tarfile.open(folder / "r.tgz", "w:gz") as file:
        file.add(folder / "r", "r")
    subprocess.run(["rm", "-r", folder / "r"], check=True)
    return Seed(folder, "r.tgz", listed=True)


def rgbd(folder: Path) -> Seed:
    for i in range(FRAMES):
        save(folder / f"color/{i}.jpg", scene(i))
        save(folder / f"depth/{i}.png", depth(i))
    (folder / "intrinsics.json").write_text(json.dumps({"fx": 52, "fy": 52, "cx": 31.5, "cy": 23.5, "width": 64}))
    return Seed(folder, "")


def arrays(folder: Path) -> Seed:
    for i in range(FRAMES):
        save(folder / f"rgb/{i}.ppm", scene(i))
        (folder / "depth").mkdir(exist_ok=True)
        np.save(folder / f"depth/{i}.npy", depth(i).astype(np.float32) / 1000)
    return Seed(folder, "")


def davis(folder: Path) -> Seed:
    for i in range(FRAMES):
        save(folder / f"JPEGImages/480p/bear/{i:05d}.jpg", scene(i))
        save(folder / f"Annotations/480p/bear/{i:05d}.png", mask(i))
    return Seed(folder, "")


def co3d(folder: Path) -> Seed:
    records = []
    for i in range(FRAMES):
        name, place = f"frame{i:06d}", "cup/1_2_3"
        save(folder / f"{place}/images/{name}.jpg", scene(i))
        save(folder / f"{place}/masks/{name}.png", (mask(i) > 0).astype(np.uint8) * 255)
        stored = np.full(SIZE, 1.5, np.float16).view(np.uint16)
        save(folder / f"{place}/depths/{name}.jpg.geometric.png", stored)
        view = {"focal_length": [2.0, 2.0], "principal_point": [0.0, 0.0]}
        image = {"path": f"{place}/images/{name}.jpg", "size": list(SIZE)}
        parts = {"mask": {"path": f"{place}/masks/{name}.png", "mass": 9.0}, "viewpoint": view, "image": image}
        parts["depth"] = {"path": f"{place}/depths/{name}.jpg.geometric.png", "scale_adjustment": 1.0}
        records.append({"sequence_name": "1_2_3", "frame_number": i, "frame_timestamp": i / 5, **parts})
    with gzip.open(folder / "cup/frame_annotations.jgz", "wt") as file:
        json.dump(records, file)
    return Seed(folder, "cup/1_2_3")


def stack(folder: Path) -> Seed:
    first, *others = (Image.fromarray(scene(i)) for i in range(FRAMES))
    folder.mkdir(parents=True)
    first.save(folder / "stack.tif", save_all=True, append_images=others)
    return Seed(folder, "stack.tif")


def video(name: str, codec: str) -> Callable[[Path], Seed]:
    def write(folder: Path) -> Seed:
        folder.mkdir(parents=True)
        with av.open(
            str(folder / name), "w", options={"movflags": "faststart"} if name.endswith("mp4") else {}
        ) as file:
            stream: Any = file.add_stream(codec, rate=25)
            stream.width, stream.height = SIZE[::-1]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for i in range(FRAMES):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(scene(i), format="rgb24")))
            file.mux(stream.encode())
        return Seed(folder, name)

    return write


def of_layout(kind: str) -> Callable[[Path], Seed]:
    """Recordings of the unit tests, in the layouts of benchmarks, phones and robots."""

    def write(folder: Path) -> Seed:
        folder.mkdir(parents=True)
        start = Path(recordings.build(kind, folder, Make))
        with open_source(str(start)) as source:
            return Seed(folder, str(start.relative_to(folder)), len(source))  # type: ignore[arg-type]

    return write


SOURCES: dict[str, Callable[[Path], Seed]] = {
    "images": images,
    "images.jpg": lambda folder: images(folder, ".jpg"),
    "images.webp": lambda folder: images(folder, ".webp"),
    "images.tif": lambda folder: images(folder, ".tif"),
    "stack": stack,
    "tum": tum,
    "archive": archive,
    "rgbd": rgbd,
    "arrays": arrays,
    "davis": davis,
    "co3d": co3d,
    "video.mp4": video("v.mp4", "libx264"),
    "video.mkv": video("v.mkv", "libx264"),
    "video.avi": video("v.avi", "mpeg4"),
    "motion.avi": video("v.avi", "mjpeg"),
    **{kind: of_layout(kind) for kind in recordings.SMALL if kind.partition("_")[0] in LAYOUTS},
}


def models(folder: Path) -> dict[str, Seed]:
    """A checkpoint after one step of training, and its ONNX file, both made by the command itself."""
    data = images(folder / "data").folder
    call = [sys.executable, "-m", "streamseg"]
    small = ["--steps", "1", "--batch-size", "2", "--size", "64", "--workers", "0", "--devices", "cpu"]
    checkpoint, exported = folder / "checkpoint/net.pt", folder / "onnx/net.onnx"
    for command in (
        [*call, "train", "byol", "--data", data, "-o", folder / "run", *small],
        [*call, "export", "onnx", folder / "run/last.pt", "-o", exported, "--size", "64"],
    ):
        exported.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
    checkpoint.parent.mkdir()
    (folder / "run/last.pt").rename(checkpoint)
    return {
        "checkpoint": Seed(checkpoint.parent, "net.pt", model=True),
        "onnx": Seed(exported.parent, "net.onnx", model=True),
    }
