"""A session: one source and the segmenter that segments it, opened as every command does that segments frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import numpy as np

from streamseg.backbones import Backbone, describe, open_backbone
from streamseg.backbones.placement import place_of_labels
from streamseg.config import ObjectsConfig, SegmenterConfig, SessionConfig
from streamseg.depth.registration import fit
from streamseg.errors import FrameError, SourceError
from streamseg.features.extractor import FeatureExtractor
from streamseg.features.preparation import THINNEST, input_size
from streamseg.flags import SETTINGS_OF_MASKS, flag_of
from streamseg.runtime.memory import retain_freed_memory
from streamseg.runtime.segmenter import Segmenter
from streamseg.sources import LiveSource, Recording, open_source
from streamseg.text.asking import line_of, to_do

SQUEEZED = "the network's input is"
SQUEEZE = 1.2
"""Sides may change their ratio by so much before a user is told."""


class Session(NamedTuple):
    """An open source and its segmenter. frame_size: (H, W) of the first frame, None where it is not known ahead."""

    source: Recording | LiveSource
    segmenter: Segmenter
    frame_size: Callable[[], tuple[int, int] | None]

    def warm_up(self, batch: int = 1) -> None:
        """Build and run the network before the clock runs, where the size of the frames is known."""
        if size := self.frame_size():
            self.segmenter.warm_up(size, batch)

    def prepare(self) -> None:
        """Build the network before the first frame, where the size of the frames is known. Only that of a live source
        runs, too, for a recording can wait for its first frame."""
        if isinstance(self.source, LiveSource):
            self.warm_up()
        elif size := self.frame_size():
            self.segmenter.build(size)


@contextmanager
def open_session(
    setup: SessionConfig,
    log: Callable[[str], None] | None = None,
    streams: int | None = None,
    segmenter: Segmenter | None = None,
    source: Recording | LiveSource | None = None,
) -> Iterator[Session]:
    """Open what `setup` names; source and networks are closed at the end. The network is built by `warm_up`, or by the
    first frame. log: takes one line a time about what is used. streams: see `open_backbone`; None = as many as help
    for a recording, one for a live source. segmenter: of `open_segmenter` with the same networks: it starts anew and
    stays open. source: one that is open already, instead of `setup.source`. Raises StreamsegError."""
    with source or open_source(setup.source, setup.options) as source:
        at_once = streams if streams is not None else int(isinstance(source, LiveSource))
        with _anew(segmenter, setup) if segmenter else open_segmenter(setup, log, at_once) as used:

            def frame_size() -> tuple[int, int] | None:
                if isinstance(source, Recording):
                    return _first_frame_size(source)
                # a camera's frames come later; where it does not tell their size, one that is given will do
                size = setup.extractor.size
                told = source.frame_size or describe(setup.extractor.spec).size
                return told or (size if isinstance(size, tuple) else None)

            if log:
                for note in source.notes:
                    log(line_of(note))
                if note := beside(source) if _depth_is_trusted(setup) else "":
                    log(note)
                if note := unused(setup):
                    log(note)
            yield Session(source, used, frame_size)


@contextmanager
def open_segmenter(
    config: SegmenterConfig, log: Callable[[str], None] | None = None, streams: int = 0
) -> Iterator[Segmenter]:
    """A segmenter for frames of any size; its networks are built when first used, and closed at the end. While inside,
    BLAS uses one thread. log, streams: as in `open_session`. Raises ModelError."""
    retain_freed_memory()
    wish = config.extractor
    shape = describe(wish.spec)
    noted: list[str] = []

    def say(line: str) -> None:
        if log and line and line not in noted:
            noted.append(line)
            log(line)

    def choose_size(frame_size: tuple[int, int]) -> tuple[int, int]:
        if shape.size is None:
            if max(frame_size) > THINNEST * min(frame_size) and isinstance(wish.size, int):
                height, width = frame_size
                say(f"note: frames of {height}x{width} are squeezed: {THINNEST} times as long as wide at most")
            return input_size(frame_size, wish.size, shape.multiple)
        if not any(SQUEEZED in line for line in noted):  # once, whatever sizes follow
            say(squeezed(frame_size, shape.size))
        return shape.size

    def backbone_for(size: tuple[int, int]) -> Backbone:
        engine, device, precision = wish.engine, wish.device, wish.precision
        backbone = open_backbone(
            wish.spec, size, engine=engine, device=device, precision=precision, streams=streams, log=log
        )
        say(place_of_labels(extractor.config, backbone).note)
        return backbone

    extractor = FeatureExtractor(backbone_for, choose_size, config)
    with _single_threaded_algebra():
        try:
            yield Segmenter(extractor)
        finally:
            extractor.close()


def _anew(segmenter: Segmenter, setup: SegmenterConfig) -> AbstractContextManager[Segmenter]:
    segmenter.reset(setup)
    return nullcontext(segmenter)


def squeezed(frame: tuple[int, int], network: tuple[int, int]) -> str:
    """A line about frames of (H, W) that lose their aspect in a network of a fixed (H, W); "" where they do not."""
    change = (frame[1] / frame[0]) / (network[1] / network[0])
    if 1 / SQUEEZE <= change <= SQUEEZE:
        return ""
    (height, width), (h, w) = frame, network
    why = (
        f"{SQUEEZED} {h}x{w} (height x width), so frames of {height}x{width} are squeezed; export it with their aspect"
    )
    return to_do(why, "streamseg export ... --size HxW")


def unused(setup: SegmenterConfig) -> str:
    """A line about settings of objects where none are looked for; "" where all is well."""
    usual = ObjectsConfig()
    names = [name for name in SETTINGS_OF_MASKS["objects"] if getattr(setup.objects, name) != getattr(usual, name)]
    if setup.objects.objects or not names:
        return ""
    flags = " and ".join(map(flag_of, names))
    return to_do(f"{flags} has no effect, because this run finds no objects", "add objects to --save")


def _depth_is_trusted(setup: SessionConfig) -> bool:
    """Whether masks follow the depth as it comes."""
    return setup.options.align_depth is None and (setup.borders_follow_depth or setup.clustering.depth > 0)


def beside(source: Recording | LiveSource) -> str:
    """A line about depth that does not lie on its image, and what to type; "" where it does, or where that is not
    sure. Only pairs of files are looked at, eight of them: every other format with depth promises that it is
    registered."""
    if not isinstance(source, Recording) or source.kind != "rgbd":
        return ""
    pairs = []
    for index in np.unique(np.linspace(0, len(source) - 1, 8).astype(int)).tolist():
        try:
            frame = source[index]
        except FrameError:
            continue
        if frame.depth is not None:
            pairs.append((frame.rgb, frame.depth))
    move = fit(pairs)
    if move is None:
        return ""
    height, width = pairs[0][1].shape
    why = (
        f"the depth is not registered to the colour: it is off by up to {move.farthest((height, width)):.0f} pixels "
        f"(in the corners of {width}x{height}), and so are masks that follow it"
    )
    return to_do(why, f"--align-depth {move}")


def _single_threaded_algebra() -> AbstractContextManager[object]:
    """One thread for BLAS: on a few hundred cells more of them take longer, and the cores belong to the network."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def _first_frame_size(source: Recording) -> tuple[int, int]:
    """(H, W) of the first frame that can be read."""
    reason = "it is empty"
    for index in range(len(source)):
        try:
            height, width = source[index].rgb.shape[:2]
            return height, width
        except FrameError as problem:
            reason = str(problem)
    raise SourceError(
        f"none of the {len(source)} frames of {source.uri!r} can be read ({reason})",
        "check the files, or copy the recording again",
    )
