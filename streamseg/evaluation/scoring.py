"""Score models on annotated recordings: `streamseg run` with a sink that scores the masks instead of writing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamseg.config import SessionConfig
from streamseg.errors import FrameError, SourceError
from streamseg.evaluation.protocols import open_protocol
from streamseg.evaluation.sequence import SequenceScores
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.runtime.session import Session, open_session
from streamseg.runtime.statistics import Statistics
from streamseg.runtime.stream import stream
from streamseg.sinks import Sink
from streamseg.sources import Recording
from streamseg.sources.recording import open_recording

HIDDEN = 1e-3
"""A CO3D mask with a smaller share of the frame is empty: its authors' method found no object in that frame."""

HINTS = dict.fromkeys(
    (" ids", " colours"), "number the objects 1 ... 254 over all masks, and write these as indexed PNG"
) | {"are void": "255 in a mask is void, and so is what is black in valid/"}
"""What to do if no frame could be scored, by words in the reason."""

NO_TRUTH = "is live, and has no ground truth"
Observer = Callable[[Frame, Segmentation, np.ndarray, dict[str, float]], None]
"""Called with each scored frame, its masks, its ground truth, and its figures of IOU, see `SequenceScores.add`."""


def _ignore(_: object) -> None: ...


class Listener(NamedTuple):
    """Callbacks of an evaluation. log: called with one line of text for each note. begin: called with the number of
    frames, for each recording and each seed. progress: called after each frame."""

    log: Callable[[str], None] = _ignore
    begin: Callable[[int | None], None] = _ignore
    progress: Callable[[Statistics], None] = _ignore


SILENT = Listener()


@dataclass
class Score:
    """The score of one model on one recording with one seed.

    frames: number of scored frames. figures: by name; None if not defined. matches: see `davis.Match`. unscored:
    {reason: names of frames}. missing: names of frames without a mask, which counted as empty. weights: {figure: its
    weight in a mean over recordings}, 1 if absent.
    """

    frames: int
    figures: dict[str, float | None]
    matches: list[dict[str, float]]
    unscored: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)


class Scorer(Sink):
    """A sink that scores the masks of one recording. kind: of the source. iou_only: compute only the figures of IOU,
    which is faster. protocol: its figures are added; "" = none."""

    def __init__(self, kind: str, observer: Observer | None = None, iou_only: bool = False, protocol: str = "") -> None:
        self.kind, self.observer = kind, observer
        self.scores = SequenceScores(iou_only)
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
                raise FrameError("hidden")  # CO3D withholds the frame, or its authors found no mask
        except FrameError as problem:
            self.leave_out(frame.name, str(problem))
            return
        ious = self.scores.add(self.position, segmentation, truth)
        if self.protocol:
            if segmentation.objects is None:
                raise SourceError("a protocol scores objects, and there are none", "--protocol needs masks of objects")
            self.protocol.add(segmentation.objects, truth, segmentation.scores)
        if self.observer:
            self.observer(frame, segmentation, truth, ious)

    def leave_out(self, name: str, reason: str) -> None:
        """Record a frame that is not scored."""
        self.unscored.setdefault(reason, []).append(name)

    def close(self) -> None:
        """Do nothing: the scores stay in memory."""

    def result(self) -> Score:
        """Return the score of the frames so far."""
        matches = [match._asdict() for match in self.scores.matches]
        result = Score(self.scores.frames, self.scores.figures(), matches, self.unscored)
        if self.protocol:
            figures = self.protocol.figures()
            result.figures |= figures
            result.weights = dict.fromkeys(figures, self.protocol.weight)
        return result


def score(setup: SessionConfig, **options: Any) -> Score:
    """Score the recording of `setup` with its seed. options: of `over_seeds`."""
    return over_seeds(setup, 1, **options)[0]


def over_seeds(
    setup: SessionConfig,
    seeds: int,
    *,
    every: int = 1,
    max_frames: int | None = None,
    listener: Listener = SILENT,
    observer: Observer | None = None,
    after: Callable[[Session], None] | None = None,
    iou_only: bool = False,
    protocol: str = "",
    singly: bool = False,
) -> list[Score]:
    """Segment the recording of `setup` as `streamseg run` does, and score every annotated frame, once for each seed.

    seeds: number of seeds of the clustering, counted up from the one of `setup`. The network is opened once.
    every, max_frames: see `stream`. observer: called for the frames of the first seed. after: called with the session
    after the first seed. iou_only, protocol: see `Scorer`. singly: segment every frame in a session of its own.

    Returns one score for each seed. Raises StreamsegError, e.g. if there is no annotated frame, and KeyboardInterrupt
    if the user stops the run.
    """
    results = []
    source = open_recording(setup.source, setup.options, why=NO_TRUTH)
    with open_session(setup, listener.log, source=source) as session:
        require_annotation(source)
        session.warm_up()
        for number in range(seeds):
            if number:
                session.segmenter.reset(setup.with_seed(setup.clustering.seed + number))
                observer = after = None
            scorer = Scorer(session.source.kind, observer, iou_only, protocol)
            run = _run_singly if singly else _run
            run(session, scorer, every, max_frames, listener)
            if after:
                after(session)
            if not scorer.scores.frames:
                raise nothing_scored(setup.source, scorer.unscored)
            results.append(scorer.result())
    return results


def _run(session: Session, scorer: Scorer, every: int, max_frames: int | None, listener: Listener) -> None:
    """Score the whole recording as one session."""
    assert isinstance(session.source, Recording)
    listener.begin(len(session.source.coming(every, max_frames)))
    source, segmenter = session.source, session.segmenter
    statistics = stream(source, segmenter, [scorer], every=every, max_frames=max_frames, progress=listener.progress)
    if statistics.stopped:
        raise KeyboardInterrupt
    for skip in statistics.skipped:
        scorer.leave_out(skip.name, skip.reason)


def _run_singly(session: Session, scorer: Scorer, every: int, max_frames: int | None, listener: Listener) -> None:
    """Score each frame as a session of its own."""
    assert isinstance(session.source, Recording)
    coming, statistics = session.source.coming(every, max_frames), Statistics()
    listener.begin(len(coming))
    for index in coming:
        try:
            frame = session.source[index]
        except FrameError as problem:
            scorer.leave_out(session.source.name_of(index), str(problem))
            continue
        session.segmenter.reset()
        scorer.write(frame, session.segmenter.step(frame))
        statistics.processed += 1
        listener.progress(statistics)


def nothing_scored(source: str, unscored: dict[str, list[str]]) -> SourceError:
    """Return the error for a recording without a scored frame. unscored: {reason: names of frames}."""
    reasons = "; ".join(f"{reason} ({len(names)})" for reason, names in unscored.items()) or "none was read"
    hint = "masks need the frames' size and, with --every or --max-frames, must belong to frames that are taken"
    for words, special_hint in HINTS.items():
        if words in reasons:
            hint = special_hint
    return SourceError(f"no frame of {source!r} could be scored: {reasons}", hint)


def require_annotation(source: Recording) -> None:
    """Raise a SourceError if no frame has an annotation. This is fast: it loads no annotation."""
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
    """Return the `spread` of each figure over several results; None if the figure is None in all of them."""
    result: dict[str, dict[str, float] | None] = {}
    for name in figures[0]:
        values = [value for each in figures if (value := each[name]) is not None]
        result[name] = spread(values) if values else None
    return result


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return {"mean", "std"}: the mean, and the standard deviation with n - 1 (0 for one value)."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0}


def mean_figures(results: Sequence[Score]) -> dict[str, float | None]:
    """Return the weighted mean of each figure over sequences. Sequences for which it is None are left out."""
    means: dict[str, float | None] = {}
    for name in results[0].figures:
        pairs = [(v, each.weights.get(name, 1)) for each in results if (v := each.figures[name]) is not None]
        values, weights = [value for value, _ in pairs], [weight for _, weight in pairs]
        means[name] = float(np.average(values, weights=weights)) if sum(weights) else None
    return means


def short_names(sources: Sequence[str]) -> list[str]:
    """Return the last part of the path of each source, with more parts before it if names would be equal otherwise."""
    paths = [Path(source.rpartition(":")[2]).absolute() for source in sources]
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return [str(path) for path in paths]
