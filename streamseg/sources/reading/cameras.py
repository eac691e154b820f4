"""Finds the camera intrinsics of a recording: in a file beside the frames, or by the name of a known data set.

Files: intrinsics.txt and calibration.txt (fx fy cx cy ..., or a 3x3 or 4x4 matrix), camera-intrinsics.txt (7-Scenes),
intrinsic/intrinsic_color.txt (exported from ScanNet), camera_matrix.csv (Stray Scanner), cam.info.txt (APC),
intrinsics.json, camera_intrinsic.json and camera_params.json (named numbers, or Open3D's matrix, column by column),
cam_params.json (Replica), _info.txt (3RScan), *.yaml of ORB-SLAM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from streamseg.errors import FrameError
from streamseg.frame import Intrinsics
from streamseg.text import from_json
from streamseg.text.asking import to_do

if TYPE_CHECKING:
    import numpy as np

    from streamseg.sources import Recording

Size = tuple[int, int]


class Camera(NamedTuple):
    """intrinsics: None if they are unknown. notes: for the user."""

    intrinsics: Intrinsics | None
    notes: tuple[str, ...] = ()


class Given(NamedTuple):
    """Intrinsics as a file gives them, and the (width, height) of the image that they are for; None if unknown."""

    intrinsics: Intrinsics
    size: Size | None = None


class KnownSet(NamedTuple):
    """A published data set. name: a regular expression that matches a part of the names of its folders."""

    name: str
    camera: Given


VGA = (640, 480)
KNOWN_SETS = (
    KnownSet(r"freiburg1|(^|[^a-z0-9])fr1([^0-9]|$)", Given(Intrinsics(517.3, 516.5, 318.6, 255.3), VGA)),
    KnownSet(r"freiburg2|(^|[^a-z0-9])fr2([^0-9]|$)", Given(Intrinsics(520.9, 521.0, 325.1, 249.7), VGA)),
    KnownSet(r"freiburg3|(^|[^a-z0-9])fr3([^0-9]|$)", Given(Intrinsics(535.4, 539.2, 320.1, 247.6), VGA)),
    KnownSet(r"^rgbd_bonn_", Given(Intrinsics(542.822841, 542.576870, 315.593520, 237.756098), VGA)),
    KnownSet(
        r"icl[-_]?nuim|^(living_room|office(_room)?|lr|of|ofkt|lrkt)_?(traj|kt)\d|^traj\d_frei_png$",
        Given(Intrinsics(481.2, 480.0, 319.5, 239.5), VGA),  # published with fy = -480, because its y axis points up
    ),
)
UNKNOWN = to_do(
    "the camera's intrinsics are unknown: no 3-D positions, and a guessed camera for objects",
    "--intrinsics FX,FY,CX,CY",
)


def camera_of(folder: Path, uri: str, size: Size | None) -> Camera:
    """Return the intrinsics of the recording in `folder`.

    size: (width, height) of its images, None if unknown. uri: as the user typed it; its name may be that of a data set.
    """
    for name, parse in FILES:
        path = _find_file(folder, name)
        if path is not None:
            given = _read(path, parse)
            if given is None:
                return Camera(None, (f"{path.name} cannot be read", UNKNOWN))
            return fitted(given, size, path.name)
    known = find_known_set([Path(uri).name, folder.name, *(parent.name for parent in folder.parents)])
    return fitted(known.camera if known else None, size, "the set's published values")


def _find_file(folder: Path, name: str) -> Path | None:
    """Return the file `name`, which may be a pattern, in `folder`; Replica's may be up to two levels above."""
    if "*" in name:
        return next((path for path in sorted(folder.glob(name)) if path.is_file()), None)
    folders = [folder, *folder.resolve().parents[:2]] if name == REPLICA else [folder]
    return next((parent / name for parent in folders if (parent / name).is_file()), None)


def depth_units(folder: Path) -> tuple[float, str] | None:
    """Return the units of depth per metre in cam_params.json (Replica) or _info.txt (3RScan), and the name of that
    file; None if there is none."""
    for path in (*(parent / REPLICA for parent in (folder, *folder.resolve().parents[:2])), folder / RSCAN):
        try:
            text = path.read_text(encoding="utf-8-sig")
            units = float(from_json(text)["camera"]["scale"] if path.name == REPLICA else _info(text)["m_depthShift"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if 0 < units < math.inf:
            return units, path.name
    return None


def find_known_set(names: Iterable[str]) -> KnownSet | None:
    """Return the data set whose pattern matches the first of the names that any pattern matches; None if none does."""
    return next((known for name in names for known in KNOWN_SETS if re.search(known.name, name.lower())), None)


def fitted(given: Given | None, size: Size | None, origin: str) -> Camera:
    """Return intrinsics for images of `size` (width, height), scaled if they are for another size of the same aspect
    ratio. They are unknown if `given` is None, or cannot be for such images. origin: of `given`, for notes."""
    if given is None:
        return Camera(None, (UNKNOWN,))
    camera, calibrated_size = given
    if size is None:
        return Camera(camera)
    width, height = size
    if calibrated_size is not None and calibrated_size != size:
        calibrated = f"{calibrated_size[0]}x{calibrated_size[1]}"
        scale = width / calibrated_size[0]
        if abs(height - calibrated_size[1] * scale) > 1:
            return Camera(None, (f"{origin} are for {calibrated}, pictures are {width}x{height}", UNKNOWN))
        # pixel centres have whole coordinates, so the image begins at -0.5
        cx, cy = ((centre + 0.5) * scale - 0.5 for centre in (camera.cx, camera.cy))
        scaled = Intrinsics(camera.fx * scale, camera.fy * scale, cx, cy)
        return Camera(scaled, (f"intrinsics of {calibrated} ({origin}) are scaled to {width}x{height}",))
    centred = 0.2 < camera.cx / width < 0.8 and 0.2 < camera.cy / height < 0.8
    plausible_focal_length = 0.1 < camera.fx / width < 20
    if calibrated_size is None and not (centred and plausible_focal_length):
        centre = f"{camera.cx:g},{camera.cy:g}"
        return Camera(None, (f"{origin} has its centre at {centre}, pictures are {width}x{height}", UNKNOWN))
    return Camera(camera)


def first_picture_size(read: Callable[[int], np.ndarray], count: int) -> Size | None:
    """Return (width, height) of the first readable picture of the first five; None if there is none.

    read: returns the picture of a frame by its index, (H, W, 3), or raises FrameError. count: number of frames.
    """
    for index in range(min(5, count)):
        with suppress(FrameError):
            height, width = read(index).shape[:2]
            return width, height
    return None


def notes_on_given(intrinsics: Intrinsics, source: Recording) -> tuple[str, ...]:
    """Return a note if the intrinsics that the user gives cannot be those of the pictures of `source`: they are often
    those of another resolution."""
    with suppress(FrameError, IndexError):
        height, width = source[0].rgb.shape[:2]
        if fitted(Given(intrinsics), (width, height), "--intrinsics").intrinsics is None:
            given = f"fx {intrinsics.fx:g}, centre {intrinsics.cx:g},{intrinsics.cy:g}"
            why = f"--intrinsics ({given}) do not fit pictures of {width}x{height}; positions will be wrong"
            return (to_do(why, "--intrinsics FX,FY,CX,CY"),)
    return ()


def _read(path: Path, parse: Callable[[str], Given]) -> Given | None:
    """Return the intrinsics in a file; None if they cannot be read or are implausible."""
    try:
        given = parse(path.read_text(encoding="utf-8-sig"))
        fx, fy, cx, cy = (float(value) for value in vars(given.intrinsics).values())
        camera = Intrinsics(fx, abs(fy), cx, cy)  # ICL-NUIM has fy < 0, because its y axis points up; ours points down
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    return Given(camera, given.size) if camera.plausible else None


def _parse_numbers(text: str) -> Given:
    """Parse fx fy cx cy ..., or a 3x3, 3x4 or 4x4 matrix, with or without commas and # comments."""
    lines = [line.split("#")[0] for line in text.replace(",", " ").splitlines()]
    rows = [[float(part) for part in re.sub(r"[\[\];]", " ", line).split()] for line in lines]
    rows = [row for row in rows if row]
    numbers = [number for row in rows for number in row]
    if len(rows) >= 3 and all(len(row) in (3, 4) for row in rows[:3]):
        return Given(Intrinsics(rows[0][0], rows[1][1], rows[0][2], rows[1][2]))
    if len(numbers) == 9 and numbers[8] == 1:
        return Given(Intrinsics(numbers[0], numbers[4], numbers[2], numbers[5]))
    return Given(Intrinsics(*numbers[:4]))


def _parse_apc(text: str) -> Given:
    return _parse_numbers(text.split("# Color camera intrinsic matrix", 1)[1].split("#", 1)[0])


def _info(text: str) -> dict[str, str]:
    """Return the lines `name = value` of 3RScan's _info.txt."""
    return dict(re.findall(r"^(\w+)\s*=\s*(.+?)\s*$", text, re.MULTILINE))


def _parse_3rscan(text: str) -> Given:
    """Parse 3RScan's _info.txt, which has a 4x4 matrix in one line."""
    fields = _info(text)
    numbers = [float(part) for part in fields["m_calibrationColorIntrinsic"].split()]
    size = (int(fields["m_colorWidth"]), int(fields["m_colorHeight"]))
    return Given(Intrinsics(numbers[0], numbers[5], numbers[2], numbers[6]), size)


def _parse_json(text: str) -> Given:
    """Parse named numbers or a matrix, at the top level or in the object of the colour camera."""
    values = from_json(text)
    for inner in ("camera", "color", "colour", "rgb"):
        values = values[inner] if isinstance(values.get(inner), dict) else values
    size = None
    for width, height in (("width", "height"), ("img_width", "img_height"), ("w", "h")):
        if values.get(width) and values.get(height):
            size = (int(values[width]), int(values[height]))
    if "intrinsic_matrix" in values:
        return Given(_matrix(values["intrinsic_matrix"]), size)
    cx = next((values[key] for key in ("cx", "x_offset", "ppx") if key in values), math.nan)
    cy = next((values[key] for key in ("cy", "y_offset", "ppy") if key in values), math.nan)
    return Given(Intrinsics(float(values["fx"]), float(values["fy"]), float(cx), float(cy)), size)


def _matrix(values: list[Any]) -> Intrinsics:
    """Return the intrinsics in a matrix of three rows, or of nine numbers, which Open3D writes column by column."""
    if isinstance(values[0], list):
        return Intrinsics(float(values[0][0]), float(values[1][1]), float(values[0][2]), float(values[1][2]))
    fx, _, row_cx, _, fy, row_cy, column_cx, column_cy, _ = map(float, values)
    return Intrinsics(fx, fy, column_cx or row_cx, column_cy or row_cy)


def _parse_orb_slam(text: str) -> Given:
    """Parse the settings of ORB-SLAM, in YAML with tags that YAML parsers refuse."""
    fields = dict(re.findall(r"^Camera1?\.(\w+):\s*([-+.\deE]+)", text, re.MULTILINE))
    size = (int(fields["width"]), int(fields["height"])) if {"width", "height"} <= fields.keys() else None
    return Given(Intrinsics(*(float(fields[name]) for name in ("fx", "fy", "cx", "cy"))), size)


REPLICA, RSCAN = "cam_params.json", "_info.txt"
FILES: tuple[tuple[str, Callable[[str], Given]], ...] = (
    ("intrinsics.json", _parse_json),
    ("intrinsics.txt", _parse_numbers),
    ("intrinsic/intrinsic_color.txt", _parse_numbers),
    ("camera_matrix.csv", _parse_numbers),
    ("camera-intrinsics.txt", _parse_numbers),
    ("cam.info.txt", _parse_apc),
    ("camera_params.json", _parse_json),
    ("camera_intrinsic.json", _parse_json),
    (REPLICA, _parse_json),
    (RSCAN, _parse_3rscan),
    ("calibration.txt", _parse_numbers),
    ("*.yaml", _parse_orb_slam),
)
"""Names of files, in the order in which they are looked for, and what parses them."""
