"""The Python API: `segment` for a source, `Segmenter` for a loop of your own; the same masks as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import fields
from functools import partial
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from streamseg import limits
from streamseg.config import (
    ClusteringConfig,
    ExtractorConfig,
    ObjectsConfig,
    SegmenterConfig,
    SessionConfig,
    SourceConfig,
    Spec,
    from_flags,
)
from streamseg.errors import StreamsegError
from streamseg.frame import Frame, Intrinsics
from streamseg.plugins import did_you_mean
from streamseg.runtime.frames import latency_note, segmented
from streamseg.runtime.result import Result
from streamseg.runtime.session import open_segmenter, open_session, unused
from streamseg.sources.alignment import Alignment
from streamseg.text.arrays import how_to_convert
from streamseg.urls import address

Log = Callable[[str], None]
TYPES: dict[str, tuple[Any, str]] = {
    "model": (str | Path, "the name of a network, or the path of a file"),
    "weights": (str | Path, "the path of a file"),
    "layers": (tuple | list, "numbers in brackets, e.g. layers=(3, 4)"),
    **dict.fromkeys(("facet", "engine", "device", "precision"), (str, "a name")),
    "intrinsics": (Intrinsics, "streamseg.Intrinsics(fx, fy, cx, cy)"),
    "align_depth": (Alignment, "streamseg.sources.alignment.Alignment(scale, dx, dy)"),
    "depth_scale": (Real, "units per metre, e.g. 1000"),
}
"""Type of each setting that the config does not check, and what to give. None is allowed where it is the default."""
INSTEAD = {
    "intrinsics": "give intrinsics to step()",
    "depth_scale": "give depth in metres to step()",
    "align_depth": "register the depth to the colour before step()",
}
"""What a user of `Segmenter` does instead of correcting a recording."""
NEAR, TOO_FAR = 0.05, 100.0
"""Depth is not in metres if fewer than the share NEAR of its readings are below TOO_FAR. In metres something is within
100 m, even below a wide sky. In millimetres that would be within 10 cm, nearer than depth cameras measure."""


def segment(
    source: str | Path | int,
    *,
    objects: bool = False,
    every: int = 1,
    max_frames: int | None = None,
    batch: int = 1,
    policy: str = "latest",
    max_latency: float | None = None,
    log: Log | None = None,
    **settings: Any,
) -> Generator[Result]:
    """Segment a recording, a video, a folder of images, a camera number or an rtsp:// address, frame by frame.

    source: as on the command line. objects: find objects, too. every: use every n-th frame, beginning with the first.
    max_frames: stop after this many frames. batch: frames of a recording that the network takes in one call. For live
    sources, policy: "latest" drops a frame that still waits when the next one arrives, "all" queues it; max_latency:
    milliseconds that a frame may take. settings: any flag of `streamseg run` that influences masks, by the name of its
    field in `streamseg.config`, e.g. model, size, k, quality, seed, intrinsics. log: is called with one line of text
    for each note.

    Yields a Result for each frame. The threads of the generator stop when it ends or is closed; it installs no signal
    handlers. Broken frames are skipped. Raises StreamsegError, also for an unknown setting or an impossible value.
    """
    config = _config(address(source), objects, settings)
    streamed: dict[str, Any] = {
        "every": every,
        "max_frames": max_frames,
        "batch": batch,
        "policy": policy,
        "max_latency": max_latency,
    }
    limits.check(streamed)
    with ExitStack() as stack:
        session = stack.enter_context(open_session(config, log))
        note = latency_note(session.source, max_latency)
        if log and note:
            log(note)
        session.prepare()
        frames = segmented(session.source, session.segmenter, **streamed)
        for frame, segmentation in stack.enter_context(closing(frames)):
            yield Result(frame, segmentation)


class Segmenter:
    """Segments frames in a loop of your own, such as the callback of a robot. Ids persist from call to call.

    objects, log, settings: as in `segment`, without those of `SourceConfig`, because there is no recording. A context
    manager, for use in one thread. The first step loads the network. Raises StreamsegError as `segment` does.
    """

    def __init__(self, *, objects: bool = False, log: Log | None = None, **settings: Any) -> None:
        self._stack = ExitStack()
        for name in settings:
            if name in INSTEAD:
                raise StreamsegError(f"{name} corrects a recording, and a Segmenter has none", INSTEAD[name])
        config = _config("", objects, settings)
        if log and (note := unused(config)):
            log(note)
        self._segmenter = self._stack.enter_context(open_segmenter(config, log, streams=1))
        self._index, self._gives_metres = 0, False

    def step(
        self,
        rgb: np.ndarray | Frame,
        depth: np.ndarray | None = None,
        intrinsics: Intrinsics | None = None,
        timestamp: float | None = None,
    ) -> Result:
        """Segment one frame.

        rgb: (H, W, 3) uint8 RGB, or a `Frame` of a source. depth: (H, W) float32 metres, 0 = no reading, registered to
        rgb. intrinsics: of the colour camera. timestamp: seconds; the default is the number of the call / 30.
        Raises StreamsegError for arrays of a wrong shape or type, and for depth in millimetres: whole numbers, or a
        first depth image with hardly any reading within 100 m. A `Frame` is taken as it is.
        """
        frame = rgb if isinstance(rgb, Frame) else _frame(self._index, rgb, depth, intrinsics, timestamp)
        if frame is not rgb and depth is not None and not self._gives_metres:
            self._gives_metres = _check_unit(depth)
        self._index += 1
        planned = self._segmenter.plan(frame)
        return Result(frame, self._segmenter.step(planned))

    def reset(self) -> None:
        """Start a new session, with new ids. The network stays loaded."""
        self._segmenter.reset()
        self._index, self._gives_metres = 0, False

    def close(self) -> None:
        """Release the network. May be called several times."""
        self._stack.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` with text instead of a `Path`, and tuples instead of lists.

    Raises StreamsegError for a name that is not a setting, and for a value of a wrong type. The config checks ranges.
    """
    parts = (Spec, ExtractorConfig, ClusteringConfig, ObjectsConfig, SourceConfig, SegmenterConfig)
    defaults = {field.name: field.default for part in parts for field in fields(part)}
    known = defaults.keys() - {"spec", "extractor"}
    for name, value in settings.items():
        if name not in known:
            raise StreamsegError(f"no setting is called {name!r}", did_you_mean(name, known))
        kind, what = TYPES.get(name, (object, ""))
        if not isinstance(value, kind) and not (value is None and defaults[name] is None):
            raise StreamsegError(f"{name} is {value!r}", f"give {what}")
    return {name: _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def _config(source: str, objects: bool, settings: dict[str, Any]) -> SessionConfig:
    config = SessionConfig(source, **from_flags({"objects": objects} | checked(settings)))
    if not config.regions and not objects:
        raise StreamsegError("with regions=False and objects=False there is nothing to find", "add objects=True")
    return config


def _frame(
    index: int, rgb: np.ndarray, depth: np.ndarray | None, intrinsics: Intrinsics | None, timestamp: float | None
) -> Frame:
    if not isinstance(rgb, np.ndarray) or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        given = f"{rgb.dtype} {rgb.shape}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise StreamsegError(f"a frame is (H, W, 3) uint8 RGB, not {given}", how_to_convert(rgb))
    if intrinsics is not None and not (isinstance(intrinsics, Intrinsics) and intrinsics.plausible):
        raise StreamsegError(f"intrinsics are {intrinsics!r}", f"give {TYPES['intrinsics'][1]}, in pixels")
    if timestamp is not None and not isinstance(timestamp, Real):
        raise StreamsegError(f"the timestamp is {timestamp!r}", "give seconds as a number, e.g. time.time()")
    # picklable, as the frames of recordings are
    load = None if depth is None else partial(np.asarray, _metres(depth, rgb.shape[:2]))
    seconds = index / 30 if timestamp is None else float(timestamp)
    return Frame(index, f"{index:06d}", seconds, np.ascontiguousarray(rgb), intrinsics, load)


def _metres(depth: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return a copy of the user's depth as float32. Whole numbers are refused: they are a camera's units, no metres."""
    if not isinstance(depth, np.ndarray) or not np.issubdtype(depth.dtype, np.floating):
        given = depth.dtype if isinstance(depth, np.ndarray) else type(depth).__name__
        raise StreamsegError(
            f"depth is (H, W) float32 metres, not {given}", "divide it by its units per metre, e.g. depth / 1000"
        )
    if depth.shape != size:
        one_channel = depth.shape == (*size, 1)
        hint = (
            "leave its last axis out: depth[..., 0]"
            if one_channel
            else "register depth to colour, at the colour's size"
        )
        raise StreamsegError(f"depth is {depth.shape}, rgb is {size}", hint)
    return depth.astype(np.float32)


def _check_unit(depth: np.ndarray) -> bool:
    """Return whether depth has readings; all seem to be metres then. Raises StreamsegError if not, see NEAR."""
    readings = depth[::4, ::4]
    readings = readings[np.isfinite(readings) & (readings > 0)]
    if not readings.size:
        return False
    near = float(np.quantile(readings, NEAR))
    if near > TOO_FAR:
        raise StreamsegError(
            f"depth is in metres, but these have nothing nearer than about {near:.0f} m",
            "divide it by its units per metre, e.g. depth / 1000",
        )
    return True
