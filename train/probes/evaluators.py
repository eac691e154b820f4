"""What evaluates the checkpoints of a run: ground-truth masks of --val, otherwise the objects that `run` finds.

The frames with masks are divided into two halves: one chooses best.pt, the other measures the result. Without masks the
label-free score chooses best.pt, and it is not known whether training helped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple

from streamseg.config import ExtractorConfig, ObjectsConfig, SegmenterConfig
from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.runtime.frames import segmented
from streamseg.runtime.session import open_segmenter
from streamseg.sources import Recording
from streamseg.text import counted
from train.data.leakage import refuse_overlap
from train.data.own_objects import OwnObjects
from train.data.parts import InMemoryRecording, middle
from train.data.recordings import open_recordings
from train.probes import FeatureFunction, label_free
from train.probes.classes import ClassProbe
from train.probes.dense import DenseProbe
from train.probes.label_free import LabelFreeProbe
from train.settings import Settings

MASK_FIGURE = "iou_union"
"""Figure by which checkpoints are compared with masks: the one that depends least on the clustering's seed."""
PROBED_FRAMES = 24
"""Number of frames of each recording of --val, in both halves together."""
LABEL_FREE_RECORDINGS = 4
"""Number of recordings whose objects are found for the label-free score, unless the method has found those of all."""
WINDOW = 8
"""Number of successive frames of each of them."""
Log = Callable[[str], None]


@dataclass(frozen=True)
class Evaluators:
    """choice_probe: chooses best.pt, by `figure`; None if the accuracy of classes chooses. result_probe: measures the
    result, on other frames; None without masks. val: the recordings with masks. classes: probe of kNN and linear
    classification, or None."""

    choice_probe: DenseProbe | LabelFreeProbe | None
    figure: str
    result_probe: DenseProbe | None = None
    val: tuple[Recording, ...] = ()
    classes: ClassProbe | None = None

    def __call__(self, clustered: FeatureFunction, features: FeatureFunction) -> dict[str, float]:
        """Return the figures of all probes except `result_probe`.

        clustered: the features from which regions are made, including the output of a head. features: without that
        output; classes are predicted from these.
        """
        figures = self.choice_probe.result(clustered).figures() if self.choice_probe else {}
        return figures | (self.classes(features) if self.classes else {})


class HeldOut(NamedTuple):
    """The data of --val and --val-classes. dense: probe of the recordings with masks, None if there are none."""

    val: list[Recording]
    dense: DenseProbe | None
    classes: ClassProbe | None


def open_held_out(settings: Settings, data: Sequence[Recording], say: Log) -> HeldOut:
    """Open and check --val and --val-classes of a run on `data`, before anything is computed or written.

    Raises SourceError if they overlap with the data or have too few masks.
    """
    if not settings.probe:
        return HeldOut([], None, None)
    size, seed = settings.probe_size, settings.seed
    classes = ClassProbe(settings.val_classes, size, seed, say) if settings.val_classes else None
    if classes:
        refuse_overlap(data, classes.held_out(), "--val-classes")
    val = open_recordings(settings.val, lambda skip: say(f"note: left out of --val: {skip.name}: {skip.reason}"))
    refuse_overlap(data, val, "--val")
    masked = any(_has_masks(recording) for recording in val)
    if val and not masked:
        say("note: --val has no masks: the label-free score chooses best.pt, and cannot tell whether training helps")
    dense = DenseProbe(val, size, PROBED_FRAMES, seed) if masked else None
    for line in dense.notes() if dense else ():
        say(f"note: --val {line}")
    return HeldOut(val, dense, classes)


def open_evaluators(held_out: HeldOut, settings: Settings, data: Sequence[Recording], say: Log) -> Evaluators | None:
    """Return the evaluators of a run on `data`; None with --no-probe, or if nothing can be evaluated."""
    if not settings.probe:
        return None
    val, dense, classes = held_out
    if dense:
        choice_probe, result_probe = dense.halves()
        masked = tuple(recording for recording in val if recording.uri in dense.frames)
        return Evaluators(choice_probe, MASK_FIGURE, result_probe, masked, classes)
    label_free_probe = _label_free_probe(val or data, settings, say)
    if label_free_probe:
        return Evaluators(label_free_probe, label_free.FIGURE, classes=classes)
    return Evaluators(None, "knn_top1", classes=classes) if classes else None


def _label_free_probe(recordings: Sequence[Recording], settings: Settings, say: Log) -> LabelFreeProbe | None:
    if settings.init == "none":
        say("note: random weights find no objects that a checkpoint could be chosen by: there is no best.pt")
        return None
    try:
        return LabelFreeProbe(with_objects(recordings, settings, say), settings.probe_size, WINDOW, settings.seed)
    except SourceError as problem:
        say(f"note: {problem}: there is no best.pt")
        return None


def _has_masks(recording: Recording) -> bool:
    return any(recording[i].load_annotation is not None for i in {0, len(recording) // 2, len(recording) - 1})


def with_objects(recordings: Sequence[Recording], settings: Settings, say: Log) -> list[Recording]:
    """Return a few recordings with the objects that `run` finds as annotations.

    Objects that the method has found are reused.
    """
    step = max(1, len(recordings) // LABEL_FREE_RECORDINGS)
    chosen = list(recordings)[::step][:LABEL_FREE_RECORDINGS]
    if all(isinstance(recording, OwnObjects) for recording in chosen):
        return chosen
    say(f"finding objects in {counted(len(chosen), 'recording')}, by which best.pt is chosen")
    config = SegmenterConfig(
        extractor=ExtractorConfig(spec=settings.spec, size=settings.probe_size),
        objects=ObjectsConfig(objects=True, seed=settings.seed),
    )
    labelled: list[Recording] = []
    with open_segmenter(config) as segmenter:
        for recording in chosen:
            segmenter.reset()
            with closing(segmented(middle(recording, WINDOW), segmenter)) as pairs:
                frames = [_labelled(frame, segmentation.objects) for frame, segmentation in pairs]
            labelled.append(InMemoryRecording(recording.uri, frames))
    return labelled


def _labelled(frame: Frame, objects: object) -> Frame:
    return replace(frame, load_annotation=lambda: objects, load_depth=None)  # type: ignore[arg-type,return-value]
