"""Writers of small recordings of every kind, so that the tests of sources need no other data."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

SIZE = (48, 64)


def texture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB noise, which differs for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def write_rgb(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)


def write_depth(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values.astype(np.uint16))


def barcode(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return an image with `number` as 8 black and white columns, which can be read after lossy coding."""
    bits = [(number >> bit & 1) * 255 for bit in range(8)]
    row = np.repeat(np.array(bits, np.uint8), size[1] // 8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (size[0], len(row), 3)))


def read_barcode(rgb: np.ndarray) -> int:
    columns = rgb.mean(axis=(0, 2)).reshape(8, -1).mean(axis=1)
    return sum(int(value > 127) << bit for bit, value in enumerate(columns))


def write_video(
    path: Path,
    count: int = 30,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    **coding: str,
) -> None:
    """Write `count` barcodes at 25 frames per second, with a key frame every 10, and B frames if the codec has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=25, options=coding)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], pix_fmt
        stream.codec_context.gop_size = 10
        for number in range(count):
            for packet in stream.encode(av.VideoFrame.from_ndarray(barcode(number), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def make_tum(folder: Path, count: int = 4) -> Path:
    """Write a TUM recording. Depth is 0.01 s late, 1 m + frame number x 0.1 m, without a reading in a corner."""
    lines: dict[str, list[str]] = {"rgb": ["# color images"], "depth": ["# depth maps"]}
    for i in range(count):
        write_rgb(folder / f"rgb/{100 + i / 30:.6f}.png", texture(i))
        lines["rgb"].append(f"{100 + i / 30:.6f} rgb/{100 + i / 30:.6f}.png")
        depth = np.full(SIZE, 5000 + 500 * i)
        depth[0, 0] = 0
        write_depth(folder / f"depth/{100.01 + i / 30:.6f}.png", depth)
        lines["depth"].append(f"{100.01 + i / 30:.6f} depth/{100.01 + i / 30:.6f}.png")
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(text) + "\n")
    return folder


def make_images(folder: Path, count: int = 12) -> Path:
    for i in range(count):
        write_rgb(folder / f"view{i}.png", texture(i))
    return folder


def make_co3d(root: Path, annotated: bool = True) -> Path:
    """Write a category `cup` with one sequence of 3 frames whose widths differ."""
    sequence = root / "cup" / "12_34_56"
    records = []
    for i in range(3):
        size = (48, 64 + i)
        stem = f"frame{i + 1:06d}"
        write_rgb(sequence / f"images/{stem}.jpg", texture(i, size))
        soft = np.zeros(size, np.uint8)
        soft[10:20, 10:20], soft[20:25, 10:20] = 128, 127
        write_rgb(sequence / f"masks/{stem}.png", soft)
        half = np.full(size, 1.5, np.float16)
        half[0, 0], half[0, 1] = np.inf, np.nan
        write_depth(sequence / f"depths/{stem}.jpg.geometric.png", half.view(np.uint16))
        valid = np.full(size, 255, np.uint8)
        valid[1] = 0
        write_rgb(sequence / f"depth_masks/{stem}.png", valid)
        records.append(
            {
                "sequence_name": sequence.name,
                "frame_number": 100 + i,
                "frame_timestamp": 2.0 + i,
                "image": {"path": f"cup/{sequence.name}/images/{stem}.jpg", "size": list(size)},
                "mask": {"path": f"cup/{sequence.name}/masks/{stem}.png", "mass": 100.0},
                "depth": {"path": f"cup/{sequence.name}/depths/{stem}.jpg.geometric.png", "scale_adjustment": 2.0},
                "viewpoint": {"focal_length": [2.0, 3.0], "principal_point": [0.1, -0.2]},
            }
        )
    if annotated:
        with gzip.open(root / "cup/frame_annotations.jgz", "wt") as file:
            json.dump([*records[::-1], {"sequence_name": "other"}], file)
    return sequence


def make_davis(root: Path, name: str = "bear", indexed: bool = True) -> Path:
    for i in range(3):
        write_rgb(root / f"JPEGImages/480p/{name}/{i:05d}.jpg", texture(i))
        ids = np.zeros(SIZE, np.uint8)
        ids[5:9, 5:9], ids[20:30, 20:30], ids[0] = 1, 2, 255
        path = root / f"Annotations/480p/{name}/{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = Image.fromarray(ids if indexed else (ids == 1).astype(np.uint8) * 255)
        if indexed:
            mask.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
        mask.save(path)
    return root


def make_rgbd(folder: Path, rotated: bool = False, colour: str = "frame-{:06d}.color.png") -> Path:
    """Write RGB-D pairs. Depth is a ramp from 500 mm on; `rotated`: stored as SUN RGB-D does."""
    ramp = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) + 500).astype(np.uint16)
    for i in range(3):
        write_rgb(folder / colour.format(i), texture(i))
        stored = (ramp << 3) | (ramp >> 13) if rotated else ramp
        write_depth(folder / colour.format(i).replace("color", "depth"), stored)
    return folder


def calibration(distorted: bool = False) -> bytes:
    """Return the calibration of two cameras in modes NFOV_2X2BINNED and 720P; colour is 0.1 m to the right of depth."""

    def camera(place: str, focal: tuple[float, float], shift: list[float]) -> dict[str, Any]:
        k = [0.3, -0.1, 0.02, 0.31, -0.08, 0.01] if distorted else [0.0] * 6
        return {
            "Intrinsics": {"ModelParameters": [0.5, 0.5, *focal, *k, 0, 0, 0, 0]},
            "Location": f"CALIBRATION_CameraLocation{place}",
            "MetricRadius": 1.7,
            "Rt": {"Rotation": [1, 0, 0, 0, 1, 0, 0, 0, 1], "Translation": shift},
        }

    cameras = [camera("D0", (0.5, 0.5), [0, 0, 0]), camera("PV0", (0.4, 0.4 * 1280 / 960), [-0.1, 0, 0])]
    return json.dumps({"CalibrationInformation": {"Cameras": cameras}}).encode()


def write_kinect(
    path: Path, colour: tuple[int, ...] = (0, 1, 2), depth: tuple[int, ...] = (0, 1, 2), **kept: bool
) -> None:
    """Write a recording at 5 Hz with colour and depth at the given ticks, of a wall at 1 m + tick x 0.1 m."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        first: Any = container.add_stream("mjpeg", rate=5)
        first.width, first.height, first.pix_fmt = 1280, 720, "yuvj420p"
        first.metadata.update({"K4A_COLOR_TRACK": "1", "K4A_COLOR_MODE": "MJPG_720P"})
        second: Any = container.add_stream("ffv1", rate=5)
        second.width, second.height, second.pix_fmt = 320, 288, "gray16le"
        second.metadata.update({"K4A_DEPTH_TRACK": "2", "K4A_DEPTH_MODE": "NFOV_2X2BINNED"})
        if kept.get("calibrated", True):
            attached = container.add_attachment("calibration.json", "application/octet-stream", calibration())
            attached.metadata["K4A_CALIBRATION_FILE"] = "calibration.json"
        for tick in sorted({*colour, *depth}):
            if tick in colour:
                picture = av.VideoFrame.from_ndarray(barcode(tick, (720, 1280)), format="rgb24").reformat(
                    format="yuvj420p"
                )
                picture.pts = tick
                container.mux(first.encode(picture))
            if tick in depth:
                wall = av.VideoFrame.from_ndarray(np.full((288, 320), 1000 + 100 * tick, np.uint16), format="gray16le")
                wall.pts = tick
                container.mux(second.encode(wall))
        container.mux(first.encode())
        container.mux(second.encode())


class Make:
    """The functions of this file, for tests, which cannot import a conftest."""

    size = SIZE
    texture, rgb, depth = staticmethod(texture), staticmethod(write_rgb), staticmethod(write_depth)
    video, barcode, read_barcode = staticmethod(write_video), staticmethod(barcode), staticmethod(read_barcode)
    tum, images, co3d, davis = map(staticmethod, (make_tum, make_images, make_co3d, make_davis))
    rgbd, kinect, calibration = map(staticmethod, (make_rgbd, write_kinect, calibration))


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new, empty cache folder for archives."""
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cut() -> Callable[[Path, float], None]:
    """Return a function that truncates a file to a share of its size."""

    def shorten(path: Path, share: float) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return shorten
