"""One recording written in every format, and the decoding of each format alone, for `sources.py`."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

sys.path.append(str(Path(__file__).parents[2]))

from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from tests.unit.sources.bags import BILLION, Writer, compressed_depth
from tests.unit.sources.conftest import calibration
from tests.unit.sources.realsense_files import write_bag

CAMERA = (525.0, 525.0, 319.5, 239.5)
CODES = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92], ".png": []}


class Moment(NamedTuple):
    """rgb: (H, W, 3) uint8. depth: (H, W) uint16 millimetres."""

    rgb: np.ndarray
    depth: np.ndarray


class Made(NamedTuple):
    """A recording. colour, depth: decode frame i from memory with the format's library, nothing else; None = no
    depth."""

    uri: str
    colour: Callable[[int], Any]
    depth: Callable[[int], Any] | None = None


def code(pixels: np.ndarray, suffix: str) -> bytes:
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return bytes(cv2.imencode(suffix, bgr, CODES[suffix])[1])


def picture(data: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def metres(stored: Any, units: float = 1000.0) -> np.ndarray:
    values = cv2.imdecode(np.frombuffer(stored, np.uint8), -1) if isinstance(stored, bytes) else stored
    return np.asarray(values * np.float32(1 / units))


class Coded:
    """The frames as JPEG and PNG. name, depth_name: file names, with the number in braces."""

    def __init__(self, frames: list[Moment], suffix: str) -> None:
        self.suffix = suffix
        self.colour = [code(one.rgb, suffix) for one in frames]
        self.depth = [code(one.depth, ".png") for one in frames]

    def write(self, folder: Path, name: str, depth_name: str = "") -> Any:
        for i, (colour, depth) in enumerate(zip(self.colour, self.depth)):
            for pattern, data, suffix in ((name, colour, self.suffix), (depth_name, depth, ".png")):
                if pattern:
                    path = folder / (pattern.format(i) + suffix)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
        return folder

    def made(self, uri: Any, deep: bool = True) -> Made:
        depth = (lambda i: metres(self.depth[i])) if deep else None
        return Made(str(uri), lambda i: picture(self.colour[i]), depth)


def of_files(root: Path, frames: list[Moment]) -> Iterable[tuple[str, Made]]:
    jpg, png = Coded(frames, ".jpg"), Coded(frames, ".png")
    yield "images (JPEG)", jpg.made(jpg.write(root / "images", "{:05d}"), False)
    yield "davis (JPEG)", jpg.made(jpg.write(root / "davis", "JPEGImages/480p/bear/{:05d}"), False)
    yield "co3d (JPEG)", jpg.made(jpg.write(root / "co3d", "cup/1_2_3/images/frame{:06d}") / "cup/1_2_3", False)
    pairs = jpg.write(root / "rgbd", "color/{:05d}", "depth/{:05d}")
    (pairs / "intrinsics.txt").write_text("525 525 319.5 239.5")
    yield "rgbd (JPEG, PNG)", jpg.made(pairs)
    yield "rgbd (PNG, PNG)", png.made(png.write(root / "pairs", "color/{:05d}", "depth/{:05d}"))
    yield "tum (PNG, PNG)", png.made(png.write(root / "tum", "rgb/10{:05d}.5", "depth/10{:05d}.5"))
    bop = png.write(root / "bop/000001", "rgb/{:06d}", "depth/{:06d}")
    camera = {"cam_K": [525, 0, 319.5, 0, 525, 239.5, 0, 0, 1], "depth_scale": 1.0}
    (bop / "scene_camera.json").write_text(json.dumps({i: camera for i in range(len(frames))}))
    yield "bop (PNG, PNG)", png.made(bop)
    name = "result_2018-08-20-14-53-{:02d}"
    yield "ocid (PNG, PNG)", png.made(png.write(root / "ocid/seq05", f"rgb/{name}", f"depth/{name}"))
    pack([str(pairs)], root / "shards", PackOptions(), per_shard=100, workers=1)
    yield "shards (JPEG, PNG)", jpg.made(root / "shards")


def of_bags(root: Path, frames: list[Moment]) -> Iterable[tuple[str, Made]]:
    raw = (lambda i: frames[i].rgb.copy(), lambda i: metres(frames[i].depth))
    for container, compressed in (("bag", False), ("bag", True), ("db3", False), ("mcap", False)):
        place = root / (f"{container}{compressed}" + (".bag" if container == "bag" else ""))
        out = Writer(place, container, compressed)
        for i, one in enumerate(frames):
            out.image("/camera/color/image_raw", BILLION * (i + 1), one.rgb, "rgb8")
            out.image("/camera/depth/image_raw", BILLION * (i + 1), one.depth, "16UC1")
        yield f"bag (.{container}, raw{', LZ4' if compressed else ''})", Made(str(out.close()), *raw)
    jpg, out = Coded(frames, ".jpg"), Writer(root / "coded", "mcap")
    for i, one in enumerate(frames):
        out.compressed("/camera/color/image_raw/compressed", BILLION * (i + 1), jpg.colour[i], "jpeg")
        depth = compressed_depth(one.depth)
        out.compressed(
            "/camera/depth/image_raw/compressedDepth", BILLION * (i + 1), depth, "16UC1; compressedDepth png"
        )
    yield "bag (.mcap, JPEG, PNG)", jpg.made(out.close())


def of_scans(root: Path, frames: list[Moment]) -> Iterable[tuple[str, Made]]:
    import liblzfse

    jpg, size = Coded(frames, ".jpg"), frames[0].depth.shape
    packed = [zlib.compress(one.depth.tobytes()) for one in frames]
    eye = np.eye(4, dtype="<f4").tobytes()
    matrix = np.eye(4, dtype="<f4")
    matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2] = CAMERA
    head = struct.pack("<IQ", 4, 1) + b"S" + matrix.tobytes() + eye + matrix.tobytes() + eye + struct.pack("<ii", 2, 1)
    head += struct.pack("<IIIIfQ", size[1], size[0], size[1], size[0], 1000.0, len(frames))
    with (root / "scan.sens").open("wb") as file:
        file.write(head)
        for i, (colour, depth) in enumerate(zip(jpg.colour, packed)):
            stamps = struct.pack("<QQQQ", 33_333 * i + 1, 33_333 * i + 1, len(colour), len(depth))
            file.write(eye + stamps + colour + depth)

    def inflated(i: int) -> np.ndarray:
        return metres(np.frombuffer(zlib.decompress(packed[i]), "<u2").reshape(size))

    yield "scannet (JPEG, zlib)", jpg.made(root / "scan.sens")._replace(depth=inflated)
    small = [liblzfse.compress((one.depth[::2, ::2] / np.float32(1000)).astype("<f4").tobytes()) for one in frames]
    told = {"w": size[1], "h": size[0], "dw": size[1] // 2, "dh": size[0] // 2, "fps": 30, "poses": []}
    told["K"] = [525, 0, 0, 0, 525, 0, 319.5, 239.5, 1]
    with zipfile.ZipFile(root / "r.r3d", "w") as archive:
        archive.writestr("metadata", json.dumps(told))
        for i, (colour, depth) in enumerate(zip(jpg.colour, small)):
            archive.writestr(f"rgbd/{i}.jpg", colour)
            archive.writestr(f"rgbd/{i}.depth", depth)

    def expanded(i: int) -> np.ndarray:
        return np.frombuffer(liblzfse.decompress(small[i]), "<f4").copy()

    yield "record3d (JPEG, LZFSE)", jpg.made(root / "r.r3d")._replace(depth=expanded)


def of_videos(root: Path, frames: list[Moment]) -> Iterable[tuple[str, Made]]:
    path = root / "stray/rgb.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.height, stream.width = frames[0].depth.shape
        stream.pix_fmt = "yuv420p"
        for one in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(one.rgb, format="rgb24")))
        container.mux(stream.encode())

    decoding: list[Any] = []

    def decoded(i: int) -> np.ndarray:
        if i == 0:
            decoding[:] = [av.open(str(path)).decode(video=0)]
        return next(decoding[0]).to_ndarray(format="rgb24")

    yield "video (H.264)", Made(f"video:{path}", decoded)
    png = Coded([Moment(one.rgb, one.depth[::2, ::2]) for one in frames], ".png")
    for i, data in enumerate(png.depth):
        (root / f"stray/depth/{i:06d}.png").parent.mkdir(exist_ok=True)
        (root / f"stray/depth/{i:06d}.png").write_bytes(data)
    (root / "stray/camera_matrix.csv").write_text("525, 0, 319.5\n0, 525, 239.5\n0, 0, 1\n")
    yield "stray (H.264, PNG)", Made(str(root / "stray"), decoded, lambda i: metres(png.depth[i]))


def of_cameras(root: Path, frames: list[Moment]) -> Iterable[tuple[str, Made]]:
    """Formats whose depth has to be registered to the colour: this takes more than decoding."""
    raw = (lambda i: frames[i].rgb.copy(), lambda i: metres(frames[i].depth))
    path = write_bag(root / "realsense.bag", list(frames), (390.0, 610.0), 0.015)
    yield "bag (RealSense's .bag, raw)", Made(str(path), *raw)
    path = root / "kinect.mkv"
    with av.open(str(path), "w") as container:
        for name, codec, size, mode in (
            ("COLOR", "mjpeg", (720, 1280), "MJPG_720P"),
            ("DEPTH", "ffv1", (288, 320), "NFOV_2X2BINNED"),
        ):
            stream: Any = container.add_stream(codec, rate=30)
            stream.height, stream.width = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "gray16le"
            stream.metadata.update({f"K4A_{name}_TRACK": name, f"K4A_{name}_MODE": mode})
        attached = container.add_attachment("calibration.json", "application/octet-stream", calibration(distorted=True))
        attached.metadata["K4A_CALIBRATION_FILE"] = "calibration.json"
        for i, one in enumerate(frames):
            rgb, depth = cv2.resize(one.rgb, (1280, 720)), cv2.resize(one.depth, (320, 288), interpolation=0)
            for stream, pixels, form in zip(container.streams.video, (rgb, depth), ("rgb24", "gray16le")):
                image = av.VideoFrame.from_ndarray(pixels, format=form).reformat(format=stream.pix_fmt)
                image.pts = i
                container.mux(stream.encode(image))
        for stream in container.streams.video:
            container.mux(stream.encode())
    decoding: dict[str, Any] = {}

    def decoded(number: int, form: str) -> Callable[[int], np.ndarray]:
        def one(i: int) -> np.ndarray:
            if i == 0:
                decoding[form] = av.open(str(path)).decode(video=number)
            return next(decoding[form]).to_ndarray(format=form)

        return one

    yield "kinect (MJPEG at 1280x720, FFV1)", Made(str(path), decoded(0, "rgb24"), decoded(1, "gray16le"))


def made(root: Path, frames: list[Moment]) -> Iterable[tuple[str, Made]]:
    """Every format, with its name."""
    for write in (of_files, of_bags, of_scans, of_videos, of_cameras):
        yield from write(root, frames)
