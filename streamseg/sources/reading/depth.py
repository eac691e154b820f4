"""Depth files to metres: what a stored unit is, whether that can be, and depth of another size than its picture."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tokenize import TokenError  # numpy reads the header of an array as Python
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.sources import DepthScale, Recording
from streamseg.sources.reading.headers import picture_size, stored_size
from streamseg.sources.reading.images import read_uint16
from streamseg.text.asking import to_do

SCALES = (1.0, 256.0, 1000.0, 5000.0, 6553.5, 10000.0)
"""Units per metre in the wild: floats, KITTI, most cameras, TUM, Replica, YCB-Video."""
NEAREST, FARTHEST = 0.05, 60.0
"""Metres between which the median of a recording's readings lies, whatever is filmed."""
USUAL, NEARBY = 1000.0, (0.2, 8.0)
"""Units of most cameras, and metres between which the median lies for these to be believed where nothing tells."""
NO_READING = 65535


@dataclass(frozen=True)
class Encoding:
    """How depth files store metres. rotated: each value's 16 bits are rotated left by 3 (SUN RGB-D, APC)."""

    units_per_metre: float
    rotated: bool = False


def read_stored(path: Path) -> np.ndarray:
    """(H, W) uint16 or float32 values of a depth file (16-bit picture or .npy), as stored. Raises FrameError."""
    if path.suffix.lower() != ".npy":
        return read_uint16(path)
    if path.exists() and not path.is_file():
        raise FrameError("not a regular file")
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FrameError("missing file") from None
    except (OSError, ValueError, EOFError, TokenError):
        raise FrameError("unreadable .npy file") from None
    if not isinstance(values, np.ndarray):  # an archive of arrays
        raise FrameError("unreadable .npy file")
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    values = values[0] if values.ndim == 3 and values.shape[0] == 1 else values
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiu":
        raise FrameError(f"depth is {values.shape} {values.dtype}, not one number a pixel")
    return np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0)


def units_of_array(path: Path) -> float:
    """Units per metre that a .npy file is taken to have: whole numbers are millimetres, others metres."""
    if not path.is_file():
        return 1.0
    try:
        kind = np.load(path, mmap_mode="r", allow_pickle=False).dtype.kind
    except (OSError, ValueError, EOFError, TokenError, AttributeError):
        return 1.0
    return 1000.0 if kind in "iu" else 1.0


def read_metres(path: Path, encoding: Encoding, colour: Path | None = None) -> np.ndarray:
    """(H, W) float32 metres, 0 = no reading (stored as 0 or 65535, or not finite). colour: the picture whose size it is
    brought to, where the two have the same shape; see `resized`."""
    stored = read_stored(path)
    if stored.dtype == np.uint16:
        stored[stored == NO_READING] = 0
        if encoding.rotated:
            stored = (stored >> 3) | (stored << 13)
    metres: np.ndarray = np.maximum(stored, 0) * np.float32(1 / encoding.units_per_metre)
    size = None if colour is None else picture_size(colour)
    return metres if size is None else resized(metres, size)


def resized(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`depth` with (width, height) = `size`, the nearest reading for each pixel, so that no edge is smeared."""
    if depth.shape == size[::-1] or not same_shape(depth.shape[::-1], size):
        return depth
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT))


def same_shape(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two sizes have the same ratio of width to height, to a hundredth (ScanNet: 1296x968 and 640x480)."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) < 0.01


def sizes_differ(colour: Path, depth: Path) -> tuple[bool, str]:
    """Whether depth has to be brought to its picture's size, and what to tell people about their sizes; judged by one
    pair of files."""
    picture, measured = picture_size(colour), _size(depth)
    if picture is None or measured is None or picture == measured:
        return False, ""
    told = f"depth is {measured[0]}x{measured[1]}, pictures are {picture[0]}x{picture[1]}"
    if same_shape(measured, picture):
        return (
            True,
            f"{told}: depth is scaled to the pictures and assumed to be registered; if it is not, see --align-depth",
        )
    return False, to_do(f"{told}: it is not registered and is left out", "give depth that is registered to the colour")


def _size(path: Path) -> tuple[int, int] | None:
    if path.suffix.lower() != ".npy":
        return stored_size(path)
    try:
        height, width = read_stored(path).shape
    except FrameError:
        return None
    return width, height


def checked(uri: str, files: Sequence[tuple[Path, Encoding]], scale: DepthScale) -> str:
    """What to tell people: that the scale is assumed, or that no depth can be read; "" where neither is so. Raises
    SourceError where the median distance cannot be. Three files tell."""
    step = max(1, len(files) // 3)
    looked_at = files[::step][:3]
    medians = [found for path, encoding in looked_at if (found := _median(path, encoding)) is not None]
    if not medians:
        return (
            f"none of the {len(looked_at)} depth files that were looked at holds a reading, e.g. {looked_at[0][0].name}"
        )
    metres = float(np.median(medians))
    _refuse_absurd(uri, metres, scale)
    if not scale.origin.startswith("assumed"):
        return ""
    units = f"depth has {scale.units_per_metre:g} units per metre ({scale.origin}), {metres:.2f} m at the median"
    note = f"{units}; if that is wrong", "--depth-scale UNITS"
    return to_do(*note) if scale.guessed else ": ".join(note)


def check_frames(source: Recording, scale: DepthScale) -> None:
    """Raise SourceError if the median depth of three frames of a recording is implausible with `scale`."""
    medians: list[float] = []
    for index in range(0, len(source), max(1, len(source) // 3)):
        with suppress(FrameError):  # a run skips and counts the frame when it reads it
            median = _median_reading(source.measured_depth(index))
            medians += [] if median is None else [median]
        if len(medians) == 3:
            break
    if medians:
        _refuse_absurd(source.uri, float(np.median(medians)), scale)


def check_first_frame(uri: str, metres: np.ndarray, scale: DepthScale) -> bool:
    """Raise SourceError if the median of (H, W) `metres`, a frame of a live source, is implausible with `scale`; return
    whether the frame has any reading to judge by."""
    median = _median_reading(metres)
    if median is not None:
        _refuse_absurd(uri, median, scale)
    return median is not None


def _refuse_absurd(uri: str, metres: float, scale: DepthScale) -> None:
    if not NEAREST <= round(metres, 6) <= FARTHEST:
        where = "beyond" if metres > FARTHEST else "within"
        raise SourceError(
            f"{uri!r}: half of its depth would lie {where} {metres:.3g} m, at {scale.units_per_metre:g} units per "
            f"metre ({scale.origin})",
            _candidates(metres * scale.units_per_metre),
        )


def estimated_units(files: Sequence[Path], rotated: bool = False) -> float:
    """Units per metre of files that do not say: those of most cameras; but where half of the readings would then lie
    implausibly near or far, the known scale that puts the median nearest to one metre. Three files tell."""
    step = max(1, len(files) // 3)
    medians = [found for path in files[::step][:3] if (found := _median(path, Encoding(1.0, rotated))) is not None]
    stored = float(np.median(medians)) if medians else USUAL
    near, far = NEARBY
    if near <= stored / USUAL <= far:
        return USUAL
    return min(SCALES, key=lambda units: abs(np.log(stored / units)))


class Depth(NamedTuple):
    """loads: of each picture that has depth. notes: on its scale and size, for people."""

    loads: dict[Path, Callable[[], np.ndarray]]
    notes: tuple[str, ...] = ()


def depth_of(uri: str, pairs: Sequence[tuple[Path, Path, Encoding]], scale: DepthScale) -> Depth:
    """How the depth of (picture, depth file, its encoding) is read. Raises SourceError where the scale cannot be."""
    if not pairs:
        return Depth({})
    scaled, told = sizes_differ(*pairs[0][:2])
    said = checked(uri, [(depth, encoding) for _, depth, encoding in pairs], scale)
    loads: dict[Path, Callable[[], np.ndarray]] = {
        colour: partial(read_metres, depth, encoding, colour if scaled else None) for colour, depth, encoding in pairs
    }
    return Depth(loads, tuple(note for note in (said, told) if note))


def first_size(pictures: Iterable[Path]) -> tuple[int, int] | None:
    """(width, height) of the first of the pictures that can be read; five are tried."""
    return next((size for path in itertools.islice(pictures, 5) if (size := picture_size(path)) is not None), None)


def _candidates(units: float) -> str:
    likely = [f"{scale:g} ({units / scale:.2g} m)" for scale in SCALES if 0.2 <= units / scale <= 20]
    some = (
        f"usual ones that fit: {', '.join(likely)}"
        if likely
        else "the description of the data set has it, none of the usual ones fits"
    )
    return f"give --depth-scale in units per metre; {some}"


def _median(path: Path, encoding: Encoding) -> float | None:
    try:
        metres = read_metres(path, encoding)
    except FrameError:
        return None
    return _median_reading(metres)


def _median_reading(metres: np.ndarray | None) -> float | None:
    """Return the median [m] of the readings of a depth map; None if it has none."""
    readings = np.zeros(0) if metres is None else metres[metres > 0]
    return float(np.median(readings)) if len(readings) else None
