"""Open a session, which is a source and its segmenter. Every command that segments frames does it here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import NamedTuple

import numpy as np

from streamseg.backbones import Backbone, describe, open_backbone
from streamseg.backbones.contract import HEAD_OUTPUTS
from streamseg.backbones.placement import place_of_labels
from streamseg.config import ClusteringConfig, ExtractorConfig, ObjectsConfig, SegmenterConfig, SessionConfig
from streamseg.depth.registration import fit
from streamseg.errors import FrameError, SourceError
from streamseg.features.extractor import FeatureExtractor
from streamseg.features.preparation import THINNEST, input_size
from streamseg.runtime.memory import retain_freed_memory
from streamseg.runtime.segmenter import Segmenter
from streamseg.sources import LiveSource, Recording, open_source
from streamseg.text.asking import log_line, to_do
from streamseg.text.flags import SETTINGS_OF_MASKS, flag_of

SQUEEZED = "the network's input is"
SQUEEZE = 1.2
"""The aspect ratio of frames may change by this factor without a note to the user."""


class Session(NamedTuple):
    """An open source and its segmenter. frame_size: returns (H, W) of the first frame; None if not known yet."""

    source: Recording | LiveSource
    segmenter: Segmenter
    frame_size: Callable[[], tuple[int, int] | None]

    def warm_up(self, batch: int = 1) -> None:
        """Build the network and run it once, if the size of the frames is known."""
        if size := self.frame_size():
            self.segmenter.warm_up(size, batch)

    def prepare(self) -> None:
        """Build the network, if the size of the frames is known. For a live source, run it once, too: a recording can
        wait for the slow first run, a camera cannot."""
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
    """Open the source and the segmenter of `setup`; both are closed at the end of the context.

    The network is built by `Session.prepare`, by `Session.warm_up`, or with the first frame.
    log: called with one line of text for each note. streams: see `open_backbone`; None = one for a live source, as many
    as help for a recording. segmenter: one of `open_segmenter` with the same networks; it is reset, and stays open at
    the end. source: an open source, used instead of `setup.source`. Raises StreamsegError.
    """
    with source or open_source(setup.source, setup.options) as source:
        if streams is None:
            streams = 1 if isinstance(source, LiveSource) else 0
        with _reset(segmenter, setup) if segmenter else open_segmenter(setup, log, streams) as used:

            def frame_size() -> tuple[int, int] | None:
                if isinstance(source, Recording):
                    return _first_frame_size(source)
                # A camera may not know its size before the first frame. Then the size of the network's input will do.
                size = setup.extractor.size
                known_size = source.frame_size or describe(setup.extractor.spec).size
                return known_size or (size if isinstance(size, tuple) else None)

            if log:
                for note in source.notes:
                    log(log_line(note))
                if _uses_depth_as_read(setup) and (note := misaligned(source)):
                    log(note)
                for note in filter(None, (unused(setup), unused_depth_flags(source, setup))):
                    log(note)
            yield Session(source, used, frame_size)


@contextmanager
def open_segmenter(
    config: SegmenterConfig, log: Callable[[str], None] | None = None, streams: int = 0
) -> Iterator[Segmenter]:
    """Open a segmenter for frames of any size. Its networks are built when first used, and closed at the end.

    BLAS uses one thread until the end of the context. log, streams: as in `open_session`, but 0 streams = as many as
    help. Raises ModelError.
    """
    retain_freed_memory()
    settings = config.extractor
    shape = describe(settings.spec)
    logged: list[str] = []

    def log_once(line: str) -> None:
        if log and line and line not in logged:
            logged.append(line)
            log(line)

    def choose_size(frame_size: tuple[int, int]) -> tuple[int, int]:
        if shape.size is None:
            if max(frame_size) > THINNEST * min(frame_size) and isinstance(settings.size, int):
                height, width = frame_size
                limit = f"the network takes them at most {THINNEST} times as long as wide"
                log_once(f"note: frames of {height}x{width} (height x width) are squeezed: {limit}")
            return input_size(frame_size, settings.size, shape.multiple)
        log_once(_unused_size(settings.size, shape.size))
        if not any(SQUEEZED in line for line in logged):  # once in a session, even if the size of the frames changes
            log_once(squeezed(frame_size, shape.size))
        return shape.size

    def backbone_for(size: tuple[int, int]) -> Backbone:
        backbone = open_backbone(
            settings.spec,
            size,
            engine=settings.engine,
            device=settings.device,
            precision=settings.precision,
            streams=streams,
            log=log,
        )
        log_once(place_of_labels(extractor.config, backbone).note)
        log_once(_unused_foreground(extractor.config, backbone))
        return backbone

    extractor = FeatureExtractor(backbone_for, choose_size, config)
    with _single_threaded_algebra():
        try:
            yield Segmenter(extractor)
        finally:
            extractor.close()


def _reset(segmenter: Segmenter, setup: SegmenterConfig) -> AbstractContextManager[Segmenter]:
    segmenter.reset(setup)
    return nullcontext(segmenter)


def squeezed(frame: tuple[int, int], network: tuple[int, int]) -> str:
    """Return a note if a network of a fixed input size distorts the frames; else "". Both sizes are (H, W)."""
    change = (frame[1] / frame[0]) / (network[1] / network[0])
    if 1 / SQUEEZE <= change <= SQUEEZE:
        return ""
    (height, width), (h, w) = frame, network
    why = (
        f"{SQUEEZED} {h}x{w} (height x width), so frames of {height}x{width} are squeezed; export it with their aspect"
    )
    return to_do(why, "streamseg export ... --size HxW")


def _unused_size(asked: int | tuple[int, int], network: tuple[int, int]) -> str:
    """Return a note that --size has no effect on a network of a fixed input size (H, W); "" if it is not given."""
    if asked in (ExtractorConfig.size, network, min(network)):
        return ""
    return log_line(f"--size: no effect, because the network takes {network[0]}x{network[1]} (height x width) only")


def unused(setup: SegmenterConfig) -> str:
    """Return a note on settings of objects without effect, because `setup` finds no objects; "" if there are none."""
    usual = ObjectsConfig()
    names = [name for name in SETTINGS_OF_MASKS["objects"] if getattr(setup.objects, name) != getattr(usual, name)]
    if setup.objects.objects or not names:
        return ""
    flags = " and ".join(map(flag_of, names))
    what = "find objects, too (--masks objects; in Python objects=True), or leave it out"
    return to_do(f"{flags}: no effect, because this run finds no objects", what)


def unused_depth_flags(source: Recording | LiveSource, setup: SessionConfig) -> str:
    """Return a note on flags of `setup` that have no effect because a recording has no depth; "" if there are none."""
    options, weight = setup.options, setup.clustering.depth
    given = {"depth_scale": options.depth_scale, "align_depth": options.align_depth, "depth": weight or None}
    flags = [flag_of(name) for name, value in given.items() if value is not None]
    if not flags or isinstance(source, LiveSource) or source.depth_scale is not None:
        return ""
    with suppress(FrameError, IndexError):
        if source[0].load_depth is not None:  # CO3D, which has no scale
            return ""
    return log_line(f"{' and '.join(flags)}: no effect, because the recording has no depth")


def _unused_foreground(setup: SegmenterConfig, backbone: Backbone) -> str:
    """Return a note that --foreground has no effect on a network without a foreground head; "" if it has or is not
    given."""
    usual = setup.clustering.foreground in (ClusteringConfig().foreground, 0)
    if usual or not setup.regions or set(HEAD_OUTPUTS) & set(backbone.outputs):
        return ""
    return log_line(f"--foreground: no effect, because {backbone.name} has no foreground head")


def _uses_depth_as_read(setup: SessionConfig) -> bool:
    """Whether the regions depend on the depth, and the user has not aligned it."""
    return setup.options.align_depth is None and (setup.borders_follow_depth or setup.clustering.depth > 0)


def misaligned(source: Recording | LiveSource) -> str:
    """Return a note with the flag to type if the depth is not registered to the colour image; "" if it is, or if that
    is uncertain.

    This checks eight frames of a folder of separate colour and depth files. The other formats guarantee registration.
    """
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
    """Limit BLAS to one thread: for a few hundred cells more threads are slower, and the network needs the cores."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def _first_frame_size(source: Recording) -> tuple[int, int]:
    """Return (H, W) of the first frame that can be read. Raises SourceError if there is none."""
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
