"""The real segmenter over annotated recordings, with a sink that scores instead of writing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamseg.config import SessionConfig
from streamseg.errors import FrameError, SourceError
from streamseg.evaluation.protocols import open_protocol
from streamseg.evaluation.sequence import Sequence as Scores
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.runtime.session import Session, open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Sink
from streamseg.sources import LiveSource, Recording

HIDDEN = 1e-3
"""Share of the frame below which a CO3D mask holds nothing: the object was not found in that frame."""

HINTS = dict.fromkeys(
    (" ids", " colours"), "number the objects 1 ... 254 over all masks, and write these as indexed PNG"
) | {"are void": "255 in a mask is void, and so is what is black in valid/"}
"""Of recordings of which nothing could be scored, by words of a reason."""

Observer = Callable[[Frame, Segmentation, np.ndarray, dict[str, float]], None]
"""Sees each scored frame, with its truth and its own IoU figures."""


def _ignore(_: object) -> None: ...


class Listener(NamedTuple):
    """Hears how it goes. log: takes one line a time about what is used. begin: how many frames are to come, told again
    for each recording and each seed. progress: called after each frame."""

    log: Callable[[str], None] = _ignore
    begin: Callable[[int | None], None] = _ignore
    progress: Callable[[Statistics], None] = _ignore


NOBODY = Listener()


@dataclass
class Score:
    """What one model got on one recording with one seed.

    frames: scored. unscored: {reason: names of the frames}. missing: frames without a mask, which counted as empty.
    weights: of its figures in a mean over recordings, 1 where they have none.
    """

    frames: int
    figures: dict[str, float | None]
    matches: list[dict[str, float]]
    unscored: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)


class Scorer(Sink):
    """Scores what it is given. iou_only: leaves out what takes longer. protocol: whose figures are added, "" = none."""

    def __init__(self, kind: str, observer: Observer | None = None, iou_only: bool = False, protocol: str = "") -> None:
        self.kind, self.observer = kind, observer
        self.scores = Scores(iou_only)
        self.protocol = open_protocol(protocol) if protocol else None
        self.unscored: dict[str, list[str]] = {}
        self.position = 0

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        self.position += 1
        try:
            truth = frame.annotation
            if truth is None:
                raise FrameError("no annotation")
            if (truth == VOID).all():
                raise FrameError("all of its pixels are void")
            if self.kind == "co3d" and (not frame.rgb.any() or np.mean(truth > 0) < HIDDEN):
                raise FrameError("hidden")  # a target held back, or a mask that was never found: no truth
        except FrameError as problem:
            self.leave_out(frame.name, str(problem))
            return
        own = self.scores.add(self.position, segmentation, truth)
        if self.protocol:
            if segmentation.objects is None:
                raise SourceError("a protocol scores objects, and there are none", "--protocol needs masks of objects")
            self.protocol.add(segmentation.objects, truth, segmentation.scores)
        if self.observer:
            self.observer(frame, segmentation, truth, own)

    def leave_out(self, name: str, reason: str) -> None:
        """Note a frame that is not scored."""
        self.unscored.setdefault(reason, []).append(name)

    def close(self) -> None:
        """Nothing is held open."""

    def result(self) -> Score:
        """What was found so far."""
        matches = [match._asdict() for match in self.scores.matches]
        found = Score(self.scores.frames, self.scores.figures(), matches, self.unscored)
        if self.protocol:
            own = self.protocol.figures()
            found.figures |= own
            found.weights = dict.fromkeys(own, self.protocol.weight)
        return found


def score(setup: SessionConfig, **how: Any) -> Score:
    """`over_seeds` with the setup's own seed alone."""
    return over_seeds(setup, 1, **how)[0]


def over_seeds(
    setup: SessionConfig,
    seeds: int,
    *,
    every: int = 1,
    max_frames: int | None = None,
    listener: Listener = NOBODY,
    observer: Observer | None = None,
    after: Callable[[Session], None] | None = None,
    iou_only: bool = False,
    protocol: str = "",
    singly: bool = False,
) -> list[Score]:
    """Segment the recording of `setup` as `streamseg run` does, and score every annotated frame; with so many seeds of
    the clustering, rising from the setup's own. The network is opened once.

    observer: sees the frames of the first seed. after: gets the session when these are done, with its segmenter as the
    run left it. protocol: see `protocols`. singly: every frame is a session of its own.
    Raises StreamsegError: no recording, no annotated frame; KeyboardInterrupt when somebody ends it.
    """
    found = []
    with open_session(setup, listener.log) as session:
        require_annotation(session.source)
        session.warm_up()
        for number in range(seeds):
            if number:
                session.segmenter.reset(setup.with_seed(setup.clustering.seed + number))
                observer = after = None
            scorer = Scorer(session.source.kind, observer, iou_only, protocol)
            (_run_singly if singly else _run)(session, scorer, every, max_frames, listener)
            if after:
                after(session)
            if not scorer.scores.frames:
                raise nothing_scored(setup.source, scorer.unscored)
            found.append(scorer.result())
    return found


def _run(session: Session, scorer: Scorer, every: int, max_frames: int | None, listener: Listener) -> None:
    """The whole recording once, into `scorer`."""
    assert isinstance(session.source, Recording)
    listener.begin(len(session.source.coming(every, max_frames)))
    report = stream(
        session.source,
        session.segmenter,
        [scorer],
        every=every,
        max_frames=max_frames,
        progress=listener.progress,
    )
    if report.stopped:
        raise KeyboardInterrupt
    for skip in report.skipped:
        scorer.leave_out(skip.name, skip.reason)


def _run_singly(session: Session, scorer: Scorer, every: int, max_frames: int | None, listener: Listener) -> None:
    """Frame by frame, as if each were a recording."""
    assert isinstance(session.source, Recording)
    coming, report = session.source.coming(every, max_frames), Statistics()
    listener.begin(len(coming))
    for index in coming:
        try:
            frame = session.source[index]
        except FrameError as problem:
            scorer.leave_out(session.source.name_of(index), str(problem))
            continue
        session.segmenter.reset()
        scorer.write(frame, session.segmenter.step(frame))
        report.processed += 1
        listener.progress(report)


def nothing_scored(source: str, unscored: dict[str, list[str]]) -> SourceError:
    """The error of a recording of which no frame could be scored."""
    reasons = "; ".join(f"{reason} ({len(names)})" for reason, names in unscored.items()) or "none was read"
    hint = "masks need the frames' size and, with --every or --max-frames, must belong to frames that are taken"
    for words, other in HINTS.items():
        hint = other if words in reasons else hint
    return SourceError(f"no frame of {source!r} could be scored: {reasons}", hint)


def require_annotation(source: Recording | LiveSource) -> None:
    """Raise SourceError where no frame has an annotation, before anything slow happens."""
    if isinstance(source, LiveSource):
        raise SourceError(f"{source.uri!r} is a live source, which has no ground truth", "give a recording with masks")
    for index in range(len(source)):
        try:
            if source[index].load_annotation is not None:
                return
        except FrameError:
            continue
    raise SourceError(
        f"{source.uri!r} has no annotated frame",
        "put masks of the same names into masks/ beside images/, or lay it out as CO3D or DAVIS",
    )


def summary(figures: Sequence[dict[str, float | None]]) -> dict[str, dict[str, float] | None]:
    """{name: `spread`} over several results; None where a figure is in all of them."""
    found: dict[str, dict[str, float] | None] = {}
    for name in figures[0]:
        values = [value for result in figures if (value := result[name]) is not None]
        found[name] = spread(values) if values else None
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """{"mean", "std"}, the standard deviation with n - 1; 0 for one value."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0}


def mean_figures(results: Sequence[Score]) -> dict[str, float | None]:
    """The mean of each figure over sequences, each counting by its weight; those without it are left out."""
    found: dict[str, float | None] = {}
    for name in results[0].figures:
        counted = [one for one in results if one.figures[name] is not None]
        values, weights = [one.figures[name] for one in counted], [one.weights.get(name, 1) for one in counted]
        found[name] = float(np.average(values, weights=weights)) if sum(weights) else None  # type: ignore[arg-type]
    return found


def short_names(sources: Sequence[str]) -> list[str]:
    """The last part of each source's path, with as many parts before it as it takes to tell them apart."""
    paths = [Path(source.rpartition(":")[2]).absolute() for source in sources]
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return [str(path) for path in paths]
