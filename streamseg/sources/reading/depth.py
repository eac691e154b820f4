"""Reads depth files as metres: their scale, whether it is plausible, and depth of another size than the colour."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tokenize import TokenError  # numpy reads the header of an array as Python
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.sources import DepthScale, Recording
from streamseg.sources.reading.headers import picture_size, stored_size
from streamseg.sources.reading.images import read_uint16
from streamseg.text.asking import to_do

SCALES = (1.0, 256.0, 1000.0, 5000.0, 6553.5, 10000.0)
"""Known scales [units per metre]: floats, KITTI, most cameras, TUM, Replica, YCB-Video."""
NEAREST, FARTHEST = 0.05, 60.0
"""Metres between which the median depth of any recording is plausible; a scale that puts it outside is refused."""
USUAL_SCALE, USUAL_RANGE = 1000.0, (0.2, 8.0)
"""The scale of most cameras [units per metre], which is assumed if it puts the median depth into this range [m]."""
T = TypeVar("T")
NO_READING = 65535  # stored for a pixel without a reading, as 0 is


@dataclass(frozen=True)
class Encoding:
    """How depth files store metres. rotated: the 16 bits of each value are rotated left by 3 (SUN RGB-D, APC)."""

    units_per_metre: float
    rotated: bool = False


def read_stored(path: Path) -> np.ndarray:
    """Return the (H, W) uint16 or float32 values stored in a depth file (16-bit image or .npy). Raises FrameError."""
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
    """Return the units per metre that are assumed for a .npy file: integers are millimetres, floats metres."""
    if not path.is_file():
        return 1.0
    try:
        kind = np.load(path, mmap_mode="r", allow_pickle=False).dtype.kind
    except (OSError, ValueError, EOFError, TokenError, AttributeError):
        return 1.0
    return 1000.0 if kind in "iu" else 1.0


def read_metres(path: Path, encoding: Encoding, colour: Path | None = None) -> np.ndarray:
    """Read a depth file as (H, W) float32 metres, 0 = no reading (stored as 0, 65535 or not finite).

    colour: an image to whose size the depth is resized; see `resized`. Raises FrameError.
    """
    stored = read_stored(path)
    if stored.dtype == np.uint16:
        stored[stored == NO_READING] = 0
        if encoding.rotated:
            stored = (stored >> 3) | (stored << 13)
    metres: np.ndarray = np.maximum(stored, 0) * np.float32(1 / encoding.units_per_metre)
    size = None if colour is None else picture_size(colour)
    return metres if size is None else resized(metres, size)


def resized(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return (h, w) `depth` resized to (width, height) = `size`, or `depth` itself if its aspect ratio differs.

    Each pixel takes the nearest reading: interpolation would invent depth between an object and what is behind it.
    """
    if depth.shape == size[::-1] or not same_shape(depth.shape[::-1], size):
        return depth
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT))


def same_shape(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether the aspect ratios of two sizes differ by less than 1 % (ScanNet has 1296x968 and 640x480)."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) < 0.01


def compare_sizes(colour: Path, depth: Path) -> tuple[bool, str]:
    """Return whether depth has to be resized to the colour, and a note on their sizes, "" if they are equal. One pair
    of files stands for all."""
    picture, measured = picture_size(colour), _depth_size(depth)
    if picture is None or measured is None or picture == measured:
        return False, ""
    sizes = f"depth is {measured[0]}x{measured[1]}, pictures are {picture[0]}x{picture[1]}"
    if same_shape(measured, picture):
        return (
            True,
            f"{sizes}: depth is scaled to the pictures and assumed to be registered; if it is not, see --align-depth",
        )
    return False, to_do(f"{sizes}: it is not registered and is left out", "give depth that is registered to the colour")


def _depth_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) of a depth file; None if it is unreadable."""
    if path.suffix.lower() != ".npy":
        return stored_size(path)
    try:
        height, width = read_stored(path).shape
    except FrameError:
        return None
    return width, height


def check_scale(uri: str, files: Sequence[tuple[Path, Encoding]], scale: DepthScale) -> str:
    """Check `scale` by the median depth of three of the `files`. Raises SourceError if that is implausible.

    Returns a note that the scale is assumed, or that the files have no readings; "" if neither is the case.
    """
    sample = _three_of(files)
    medians = _medians(sample)
    if not medians:
        return f"none of the {len(sample)} depth files that were looked at holds a reading, e.g. {sample[0][0].name}"
    metres = float(np.median(medians))
    _refuse_implausible(uri, metres, scale)
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
        _refuse_implausible(source.uri, float(np.median(medians)), scale)


def check_first_frame(uri: str, metres: np.ndarray, scale: DepthScale) -> bool:
    """Raise SourceError if the median of (H, W) `metres`, a frame of a live source, is implausible with `scale`; return
    whether the frame has any reading to judge by."""
    median = _median_reading(metres)
    if median is not None:
        _refuse_implausible(uri, median, scale)
    return median is not None


def _refuse_implausible(uri: str, metres: float, scale: DepthScale) -> None:
    """Raise SourceError if a median depth of `metres` is implausible."""
    if not NEAREST <= round(metres, 6) <= FARTHEST:
        where = "beyond" if metres > FARTHEST else "within"
        raise SourceError(
            f"{uri!r}: half of its depth would lie {where} {metres:.3g} m, at {scale.units_per_metre:g} units per "
            f"metre ({scale.origin})",
            _suggest_scales(metres * scale.units_per_metre),
        )


def estimate_units(files: Sequence[Path], rotated: bool = False) -> float:
    """Estimate the units per metre of depth files from the median value of three of them.

    Returns the scale of most cameras if it puts the median into USUAL_RANGE; otherwise the known scale that puts it
    nearest to one metre.
    """
    medians = _medians([(path, Encoding(1.0, rotated)) for path in _three_of(files)])
    stored = float(np.median(medians)) if medians else USUAL_SCALE
    nearest, farthest = USUAL_RANGE
    if nearest <= stored / USUAL_SCALE <= farthest:
        return USUAL_SCALE
    return min(SCALES, key=lambda units: abs(np.log(stored / units)))


class DepthLoaders(NamedTuple):
    """loads: colour file -> function that loads its depth, see `Frame.load_depth`. notes: on scale and size."""

    loads: dict[Path, Callable[[], np.ndarray]]
    notes: tuple[str, ...] = ()


def depth_loaders(uri: str, pairs: Sequence[tuple[Path, Path, Encoding]], scale: DepthScale) -> DepthLoaders:
    """Return a function that loads the depth of each (colour file, depth file, encoding).

    scale: of the first pair, with its origin. Raises SourceError if it is implausible.
    """
    if not pairs:
        return DepthLoaders({})
    resizes, note_on_size = compare_sizes(*pairs[0][:2])
    note_on_scale = check_scale(uri, [(depth, encoding) for _, depth, encoding in pairs], scale)
    loads: dict[Path, Callable[[], np.ndarray]] = {
        colour: partial(read_metres, depth, encoding, colour if resizes else None) for colour, depth, encoding in pairs
    }
    return DepthLoaders(loads, tuple(note for note in (note_on_scale, note_on_size) if note))


def first_size(pictures: Iterable[Path]) -> tuple[int, int] | None:
    """Return (width, height) of the first readable picture of the first five; None if there is none."""
    sizes = map(picture_size, itertools.islice(pictures, 5))
    return next((size for size in sizes if size is not None), None)


def _suggest_scales(units: float) -> str:
    """Return a hint with the known scales that put a median of `units` at a plausible distance."""
    likely = [f"{scale:g} ({units / scale:.2g} m)" for scale in SCALES if 0.2 <= units / scale <= 20]
    none_fits = "the description of the data set has it, none of the usual ones fits"
    suggestion = f"usual ones that fit: {', '.join(likely)}" if likely else none_fits
    return f"give --depth-scale in units per metre; {suggestion}"


def _three_of(items: Sequence[T]) -> Sequence[T]:
    """Return three of the items, spread evenly; all if there are fewer."""
    return items[:: max(1, len(items) // 3)][:3]


def _medians(files: Iterable[tuple[Path, Encoding]]) -> list[float]:
    """Return the median reading [m] of each file that is readable and has readings."""
    medians: list[float] = []
    for path, encoding in files:
        with suppress(FrameError):  # a run skips and counts the depth when it reads it
            median = _median_reading(read_metres(path, encoding))
            medians += [] if median is None else [median]
    return medians


def _median_reading(metres: np.ndarray | None) -> float | None:
    """Return the median [m] of the readings of a depth map; None if it has none."""
    readings = np.zeros(0) if metres is None else metres[metres > 0]
    return float(np.median(readings)) if len(readings) else None
