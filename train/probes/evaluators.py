"""What evaluates the checkpoints of a run: masks of --val where there are any, else the objects that `run` finds.

With masks the frames are halved: one half chooses best.pt, the other half tells what came out. Without masks the
label-free score chooses, and nothing is said about whether training helped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from threading import Event
from typing import NamedTuple

from streamseg.config import ExtractorConfig, ObjectsConfig, SegmenterConfig
from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.runtime.frames import segmented
from streamseg.runtime.session import open_segmenter
from streamseg.runtime.statistics import Statistics
from streamseg.sources import Recording
from train.data.own_objects import OwnObjects
from train.data.parts import Kept, Part, refuse_overlap
from train.data.recordings import open_recordings
from train.probes import Features, label_free
from train.probes.classes import ClassProbe
from train.probes.dense import DenseProbe
from train.probes.label_free import LabelFreeProbe
from train.settings import Settings

MASKED = "iou_union"
"""What checkpoints are compared by where there are masks: of the dense probe's figures it changes least with the seed
of the clustering."""
PROBED_FRAMES = 24
"""Of each recording of --val, both halves together."""
LOOKED_AT = 4
"""Recordings whose objects are found for the label-free score, where the method has not found those of all."""
WINDOW = 8
"""Frames of each of them, one after the other: objects are found in streams."""
Log = Callable[[str], None]


@dataclass(frozen=True)
class Evaluators:
    """choice: chooses best.pt by `figure`; None where classes do. report: of other frames; None = nothing is known of
    those. val: the recordings with masks. classes: kNN and linear figures beside it, or None."""

    choice: DenseProbe | LabelFreeProbe | None
    figure: str
    report: DenseProbe | None = None
    val: tuple[Recording, ...] = ()
    classes: ClassProbe | None = None

    def __call__(self, clustered: Features, features: Features) -> dict[str, float]:
        """All figures but those of the report. clustered: the features as regions are made of them, hence with what a
        head answers; classes are told apart by the features alone."""
        found = self.choice.result(clustered).figures() if self.choice else {}
        return found | (self.classes(features) if self.classes else {})


class Held(NamedTuple):
    """What --val and --val-classes hold out. dense: of recordings with masks; None = there are none."""

    val: list[Recording]
    dense: DenseProbe | None
    classes: ClassProbe | None


def open_held(settings: Settings, data: Sequence[Recording], say: Log) -> Held:
    """Open and check --val and --val-classes of a run on `data`, before anything is searched or written. Raises
    SourceError where they overlap the data, or have too few masks."""
    if not settings.probe:
        return Held([], None, None)
    size, seed = settings.probe_size, settings.seed
    classes = ClassProbe(settings.val_classes, size, seed, say) if settings.val_classes else None
    if classes:
        refuse_overlap(data, classes.held_out(), "--val-classes")
    val = open_recordings(settings.val, lambda skip: say(f"note: left out of --val: {skip.name}: {skip.reason}"))
    refuse_overlap(data, val, "--val")
    masked = any(_has_masks(recording) for recording in val)
    if val and not masked:
        say("note: --val has no masks: the label-free score chooses best.pt, and cannot tell whether training helps")
    return Held(val, DenseProbe(val, size, PROBED_FRAMES, seed) if masked else None, classes)


def open_judges(held: Held, settings: Settings, data: Sequence[Recording], say: Log) -> Evaluators | None:
    """The evaluators of a run on `data`; None where the run wants none, or nothing can be judged, which is said."""
    if not settings.probe:
        return None
    val, dense, classes = held
    if dense:
        chooses, report = dense.halves()
        return Evaluators(chooses, MASKED, report, tuple(one for one in val if one.uri in dense.views), classes)
    choice = _label_free(val or data, settings, say)
    if choice:
        return Evaluators(choice, label_free.FIGURE, classes=classes)
    return Evaluators(None, "knn_top1", classes=classes) if classes else None


def _label_free(recordings: Sequence[Recording], settings: Settings, say: Log) -> LabelFreeProbe | None:
    if settings.init == "none":
        say("note: random weights find no objects that a checkpoint could be chosen by: there is no best.pt")
        return None
    try:
        found = with_objects(recordings, settings, say)
        return LabelFreeProbe(found, settings.probe_size, WINDOW, settings.seed)
    except SourceError as problem:
        say(f"note: {problem}: there is no best.pt")
        return None


def _has_masks(recording: Recording) -> bool:
    return any(recording[i].load_annotation is not None for i in {0, len(recording) // 2, len(recording) - 1})


def with_objects(recordings: Sequence[Recording], settings: Settings, say: Log) -> list[Recording]:
    """A few recordings whose annotation is what `run` finds: what the method found anyway, or found now."""
    step = max(1, len(recordings) // LOOKED_AT)
    chosen = list(recordings)[::step][:LOOKED_AT]
    if all(isinstance(one, OwnObjects) for one in chosen):
        return chosen
    say(f"finding objects in {len(chosen)} recordings, by which best.pt is chosen")
    wish = SegmenterConfig(
        extractor=ExtractorConfig(spec=settings.spec, size=settings.probe_size),
        objects=ObjectsConfig(objects=True, seed=settings.seed),
    )
    found: list[Recording] = []
    with open_segmenter(wish) as segmenter:
        for recording in chosen:
            first = max(0, len(recording) // 2 - WINDOW // 2)
            part = Part(recording, range(first, min(len(recording), first + WINDOW)))
            segmenter.reset()
            with closing(segmented(part, segmenter, Statistics(), Event())) as pairs:
                frames = [_labelled(frame, one.objects) for frame, one in pairs]
            found.append(Kept(recording.uri, frames))
    return found


def _labelled(frame: Frame, objects: object) -> Frame:
    return replace(frame, load_annotation=lambda: objects, load_depth=None)  # type: ignore[arg-type,return-value]
