"""Small recordings in the layouts of benchmarks and phones, written after their published descriptions."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

SIZE = (48, 64)
HALF = (24, 32)


def colour(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return an image of one colour, which lossy coding keeps, and which differs for each number below 20."""
    return np.full((*size, 3), (200, 10 * number, 30), np.uint8)


def ramp(number: int, size: tuple[int, int] = HALF) -> np.ndarray:
    """Return uint16 depth in millimetres, 1 m and more, without a reading in the corner."""
    values = (1000 + 100 * number + np.arange(size[0] * size[1]).reshape(size)).astype(np.uint16)
    values[0, 0] = 0
    return values


def enlarged(values: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return `values` enlarged with the nearest neighbour."""
    rows, columns = size[0] // values.shape[0], size[1] // values.shape[1]
    return values.repeat(rows, 0).repeat(columns, 1)


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def jpeg(rgb: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=95)
    return file.getvalue()


def write_bop(root: Path, colours: Any = None, count: int = 3) -> Path:
    """Write scene 000048: frames 1, 36 ..., depth in tenths of a millimetre, two instances, a camera per frame."""
    scene = root / "ycbv/test/000048"
    cameras = {}
    for i in range(count):
        number = 1 + 35 * i
        save(scene / f"rgb/{number:06d}.png", colour(i) if colours is None else colours(i))
        save(scene / f"depth/{number:06d}.png", ramp(i, SIZE) * 10)
        for instance in range(2):
            mask = np.zeros(SIZE, np.uint8)
            mask[10 + 12 * instance : 20 + 12 * instance, 5:15] = 255
            save(scene / f"mask_visib/{number:06d}_{instance:06d}.png", mask)
        cameras[str(number)] = {"cam_K": [60.0 + i, 0, 31.5, 0, 61.0, 23.5, 0, 0, 1], "depth_scale": 0.1}
    (scene / "scene_camera.json").write_text(json.dumps(cameras))
    return scene


def write_ocid(root: Path, place: str = "table") -> Path:
    folder = root / f"ARID20/{place}/top/seq05"
    for i in range(3):
        name = f"result_2018-08-20-14-53-{10 + i}.png"
        save(folder / "rgb" / name, colour(i))
        save(folder / "depth" / name, ramp(i, SIZE))
        label = np.zeros(SIZE, np.uint16)
        label[10:], label[20:], label[30:40, 5:15] = 1, 2, 3
        label[30:40, 20:30] = 4 if i else 3
        save(folder / "label" / name, label)
    return folder


def write_sens(path: Path, count: int = 4, compression: int = 1, kind: int = 2) -> Path:
    """Write a .sens file. kind: of colour, 2 = JPEG, 1 = PNG. compression: of depth, 1 = zlib, 0 = none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    matrix = np.eye(4, dtype="<f4")
    matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2] = 60, 61, 31.5, 23.5
    parts = [struct.pack("<IQ", 4, 13), b"StructureSensor"[:13], matrix.tobytes(), np.eye(4, dtype="<f4").tobytes()]
    parts += [matrix.tobytes(), np.eye(4, dtype="<f4").tobytes(), struct.pack("<ii", kind, compression)]
    parts.append(struct.pack("<IIIIfQ", SIZE[1], SIZE[0], HALF[1], HALF[0], 1000.0, count))
    for i in range(count):
        _, png = cv2.imencode(".png", colour(i)[..., ::-1])
        picture = jpeg(colour(i)) if kind == 2 else png.tobytes()
        depth = zlib.compress(ramp(i).tobytes()) if compression else ramp(i).tobytes()
        head = np.eye(4, dtype="<f4").tobytes() + struct.pack("<QQ", 1_000_000 + 33_333 * i, 1_000_000 + 33_333 * i)
        parts += [head, struct.pack("<QQ", len(picture), len(depth)), picture, depth]
    parts.append(struct.pack("<Q", 0))
    path.write_bytes(b"".join(parts))
    return path


def write_record3d(path: Path, count: int = 4, sized: bool = True) -> Path:
    """Write a .r3d file. sized: whether the metadata has the size of depth; otherwise depth and colour have LiDAR's."""
    import liblzfse

    path.parent.mkdir(parents=True, exist_ok=True)
    size, small = (SIZE, HALF) if sized else ((384, 512), (192, 256))
    matrix = [60.0, 0, 0, 0, 61.0, 0, 31.5, 23.5, 1] if sized else [500.0, 0, 0, 0, 501.0, 0, 255.5, 191.5, 1]
    metadata: dict[str, Any] = {"w": size[1], "h": size[0], "fps": 15, "K": matrix, "poses": []}
    metadata |= {"dw": small[1], "dh": small[0]} if sized else {}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata", json.dumps(metadata))
        for i in range(count):
            metres = ramp(i, small).astype("<f4") / 1000
            metres[0, 0] = np.nan
            sure = np.full(small, 2, np.uint8)
            sure[1, 1] = 0
            archive.writestr(f"rgbd/{i}.jpg", jpeg(colour(i, size)))
            archive.writestr(f"rgbd/{i}.depth", liblzfse.compress(metres.tobytes()))
            archive.writestr(f"rgbd/{i}.conf", liblzfse.compress(sure.tobytes()))
    return path


def write_stray(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(folder / "rgb.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=60, options={"qp": "4"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for i in range(count):
            for packet in stream.encode(av.VideoFrame.from_ndarray(colour(i), format="rgb24")):
                container.mux(packet)
        container.mux(stream.encode())
    (folder / "camera_matrix.csv").write_text("60.0, 0.0, 31.5\n0.0, 61.0, 23.5\n0.0, 0.0, 1.0\n")
    for i in range(count):
        save(folder / f"depth/{i:06d}.png", ramp(i))
        sure = np.full(HALF, 2, np.uint8)
        sure[1, 1] = 0
        save(folder / f"confidence/{i:06d}.png", sure)
    return folder


WRITERS = {
    "bop": write_bop,
    "ocid": write_ocid,
    "scannet": lambda folder: write_sens(folder / "scene0000_00.sens"),
    "record3d": lambda folder: write_record3d(folder / "2023.r3d"),
    "stray": lambda folder: write_stray(folder / "8653a2142b"),
}
