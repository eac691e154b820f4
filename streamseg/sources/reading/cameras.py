"""Intrinsics of recordings: of known sets by name, or from the file that lies beside the frames. Else they are unknown.

Files: intrinsics.txt and calibration.txt (fx fy cx cy ..., or a 3x3 or 4x4 matrix), camera-intrinsics.txt (7-Scenes),
intrinsic/intrinsic_color.txt (ScanNet, exported), camera_matrix.csv (Stray Scanner), cam.info.txt (APC),
intrinsics.json, camera_intrinsic.json and camera_params.json (named numbers, or Open3D's matrix, column by column),
cam_params.json (Replica), *.yaml of ORB-SLAM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from streamseg.frame import Intrinsics
from streamseg.text import from_json
from streamseg.text.asking import to_do

Size = tuple[int, int]


class Camera(NamedTuple):
    """intrinsics: of pictures of the size asked for, or None. notes: what people should know."""

    intrinsics: Intrinsics | None
    notes: tuple[str, ...] = ()


class Given(NamedTuple):
    """Intrinsics as they are written, and the (width, height) they belong to, None where the file does not say."""

    intrinsics: Intrinsics
    size: Size | None = None


class Known(NamedTuple):
    """A published set. name: a regular expression that its folders' names hold."""

    name: str
    camera: Given


VGA = (640, 480)
KNOWN = (
    Known(r"freiburg1|(^|[^a-z0-9])fr1([^0-9]|$)", Given(Intrinsics(517.3, 516.5, 318.6, 255.3), VGA)),
    Known(r"freiburg2|(^|[^a-z0-9])fr2([^0-9]|$)", Given(Intrinsics(520.9, 521.0, 325.1, 249.7), VGA)),
    Known(r"freiburg3|(^|[^a-z0-9])fr3([^0-9]|$)", Given(Intrinsics(535.4, 539.2, 320.1, 247.6), VGA)),
    Known(r"^rgbd_bonn_", Given(Intrinsics(542.822841, 542.576870, 315.593520, 237.756098), VGA)),
    Known(
        r"icl[-_]?nuim|^(living_room|office(_room)?|lr|of|ofkt|lrkt)_?(traj|kt)\d|^traj\d_frei_png$",
        Given(Intrinsics(481.2, 480.0, 319.5, 239.5), VGA),  # published with fy = -480: its y points up,
    ),
)
UNKNOWN = to_do(
    "the camera's intrinsics are unknown: no 3-D positions, and a guessed camera for objects",
    "--intrinsics FX,FY,CX,CY",
)


def camera_of(folder: Path, uri: str, size: Size | None) -> Camera:
    """The intrinsics of the recording in `folder`. size: (width, height) of its pictures; uri: what the user typed."""
    for name, read in FILES:
        places = [folder, *folder.resolve().parents[:2]] if name == REPLICA else [folder]
        paths = [place / name for place in places if (place / name).is_file()] or [folder / name]
        for path in (sorted(folder.glob(name)) if "*" in name else paths)[:1]:
            given = _read(path, read)
            if given is not None:
                return fitted(given, size, path.name)
            if path.is_file():
                return Camera(None, (f"{path.name} cannot be read", UNKNOWN))
    names = [Path(uri).name, folder.name, *(parent.name for parent in folder.parents)]
    known = is_known(names)
    return fitted(known.camera if known else None, size, "the set's published values")


def depth_units(folder: Path) -> tuple[float, str] | None:
    """Units of depth per metre, and the file that says so: Replica's cam_params.json, 3RScan's _info.txt."""
    for path in (*(place / REPLICA for place in (folder, *folder.resolve().parents[:2])), folder / RSCAN):
        try:
            text = path.read_text(encoding="utf-8-sig")
            units = from_json(text)["camera"]["scale"] if path.name == REPLICA else _info(text)["m_depthShift"]
            units = float(units)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if 0 < units < math.inf:
            return units, path.name
    return None


def is_known(names: Iterable[str]) -> Known | None:
    """The published set that one of the names tells, the first of them first."""
    return next((known for name in names for known in KNOWN if re.search(known.name, name.lower())), None)


def fitted(given: Given | None, size: Size | None, whence: str) -> Camera:
    """Intrinsics for pictures of `size`: scaled where they are of the same shape, None where the two
    cannot belong together. given: None = nothing is known."""
    if given is None:
        return Camera(None, (UNKNOWN,))
    camera, own = given
    if size is None:
        return Camera(camera)
    width, height = size
    if own is not None and own != size:
        scale = width / own[0]
        if abs(height - own[1] * scale) > 1:
            return Camera(None, (f"{whence} are for {own[0]}x{own[1]}, pictures are {width}x{height}", UNKNOWN))
        # pixel centres are whole numbers, so that the picture begins at -0.5
        cx, cy = ((centre + 0.5) * scale - 0.5 for centre in (camera.cx, camera.cy))
        scaled = Intrinsics(camera.fx * scale, camera.fy * scale, cx, cy)
        return Camera(scaled, (f"intrinsics of {own[0]}x{own[1]} ({whence}) are scaled to {width}x{height}",))
    inside = 0.2 < camera.cx / width < 0.8 and 0.2 < camera.cy / height < 0.8
    wide = 0.1 < camera.fx / width < 20
    if own is None and not (inside and wide):
        centre = f"{camera.cx:g},{camera.cy:g}"
        return Camera(None, (f"{whence} has its centre at {centre}, pictures are {width}x{height}", UNKNOWN))
    return Camera(camera)


def _read(path: Path, read: Callable[[str], Given]) -> Given | None:
    try:
        given = read(path.read_text(encoding="utf-8-sig"))
        fx, fy, cx, cy = (float(value) for value in vars(given.intrinsics).values())
        camera = Intrinsics(fx, abs(fy), cx, cy)  # ICL-NUIM gives fy < 0, for its y points up; ours points down
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    return Given(camera, given.size) if camera.plausible else None


def _plain(text: str) -> Given:
    """fx fy cx cy ..., or a 3x3, 3x4 or 4x4 matrix; commas and # comments are allowed."""
    lines = [line.split("#")[0] for line in text.replace(",", " ").splitlines()]
    rows = [[float(part) for part in re.sub(r"[\[\];]", " ", line).split()] for line in lines]
    rows = [row for row in rows if row]
    numbers = [number for row in rows for number in row]
    if len(rows) >= 3 and all(len(row) in (3, 4) for row in rows[:3]):
        return Given(Intrinsics(rows[0][0], rows[1][1], rows[0][2], rows[1][2]))
    if len(numbers) == 9 and numbers[8] == 1:
        return Given(Intrinsics(numbers[0], numbers[4], numbers[2], numbers[5]))
    return Given(Intrinsics(*numbers[:4]))


def _colour_matrix(text: str) -> Given:
    return _plain(text.split("# Color camera intrinsic matrix", 1)[1].split("#", 1)[0])


def _info(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)\s*=\s*(.+?)\s*$", text, re.MULTILINE))


def _rscan(text: str) -> Given:
    """3RScan: a 4x4 matrix in one line."""
    found = _info(text)
    numbers = [float(part) for part in found["m_calibrationColorIntrinsic"].split()]
    size = (int(found["m_colorWidth"]), int(found["m_colorHeight"]))
    return Given(Intrinsics(numbers[0], numbers[5], numbers[2], numbers[6]), size)


def _named(text: str) -> Given:
    values = from_json(text)
    for inner in ("camera", "color", "colour", "rgb"):
        values = values[inner] if isinstance(values.get(inner), dict) else values
    size = None
    for width, height in (("width", "height"), ("img_width", "img_height"), ("w", "h")):
        if values.get(width) and values.get(height):
            size = (int(values[width]), int(values[height]))
    if "intrinsic_matrix" in values:
        return Given(_matrix(values["intrinsic_matrix"]), size)
    first = {name: values[key] for name in ("fx", "fy", "cx", "cy") for key in _keys(name) if key in values}
    return Given(Intrinsics(*(float(first[name]) for name in ("fx", "fy", "cx", "cy"))), size)


def _keys(name: str) -> tuple[str, ...]:
    return {"cx": ("ppx", "x_offset", "cx"), "cy": ("ppy", "y_offset", "cy")}.get(name, (name,))


def _matrix(values: list[Any]) -> Intrinsics:
    """Open3D writes nine numbers column by column; others write three rows."""
    if isinstance(values[0], list):
        return Intrinsics(float(values[0][0]), float(values[1][1]), float(values[0][2]), float(values[1][2]))
    fx, _, third, _, fy, sixth, cx, cy, _ = map(float, values)
    return Intrinsics(fx, fy, cx or third, cy or sixth)


def _yaml(text: str) -> Given:
    """ORB-SLAM's settings."""
    found = dict(re.findall(r"^Camera1?\.(\w+):\s*([-+.\deE]+)", text, re.MULTILINE))
    size = (int(found["width"]), int(found["height"])) if {"width", "height"} <= found.keys() else None
    return Given(Intrinsics(*(float(found[name]) for name in ("fx", "fy", "cx", "cy"))), size)


REPLICA, RSCAN = "cam_params.json", "_info.txt"
FILES: tuple[tuple[str, Callable[[str], Given]], ...] = (
    ("intrinsics.json", _named),
    ("intrinsics.txt", _plain),
    ("intrinsic/intrinsic_color.txt", _plain),
    ("camera_matrix.csv", _plain),
    ("camera-intrinsics.txt", _plain),
    ("cam.info.txt", _colour_matrix),
    ("camera_params.json", _named),
    ("camera_intrinsic.json", _named),
    (REPLICA, _named),
    (RSCAN, _rscan),
    ("calibration.txt", _plain),
    ("*.yaml", _yaml),
)
