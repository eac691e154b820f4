"""Scores masks that anybody made: image files named as the frames are. No network is needed.

FOLDER holds the masks of one recording; of several, a folder for each, called as the recording's. Where it holds
objects/ or labels/, as `streamseg run` writes them, these are objects and segments, and joined to panoptic masks;
without labels/, panoptic/ holds the segments. Else its masks are both, with 0 as background. Indexed, gray and coloured
images are read as ground truth is. Scores of the objects are those of segments.jsonl in FOLDER, where that is there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamseg.config import SessionConfig
from streamseg.errors import FrameError, SourceError
from streamseg.evaluation.scoring import (
    NOBODY,
    Listener,
    Observer,
    Score,
    Scorer,
    nothing_scored,
    require_annotation,
)
from streamseg.files import safe_name
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.runtime.statistics import Statistics
from streamseg.sources import Recording, open_source, read_mask

LINES = "segments.jsonl"
SUFFIXES = frozenset((".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".jpg", ".jpeg"))


class Masks:
    """The masks of one recording. missing: names of frames that have none; they count as empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = _by_stem(folder / "objects")
        self.labels = _by_stem(folder / "labels") or _by_stem(folder / "panoptic")
        if not self.objects and not self.labels:
            self.objects = self.labels = _by_stem(folder)
        if not self.objects and not self.labels:
            raise SourceError(
                f"{str(folder)!r} holds no masks",
                "it must hold image files with the names of the frames: " + _some(SUFFIXES),
            )
        self.missing: list[str] = []
        self.scores = _scores(folder / LINES) if (folder / LINES).is_file() and self.objects else {}

    def of(self, frame: Frame) -> Segmentation:
        """What is given for `frame`. Raises SourceError for a file that cannot be read or has another size."""
        size = frame.rgb.shape[:2]
        stem = next((s for s in (frame.name, safe_name(frame.name)) if s in self.labels or s in self.objects), None)
        if stem is None:
            self.missing.append(frame.name)
        objects = self._read(self.objects, stem, size) if self.objects else None
        scores = self.scores.get(frame.name, {})
        if self.labels is self.objects:
            assert objects is not None
            regions = np.where(objects == 0, VOID, objects).astype(np.uint8)
            return Segmentation(regions, k=0, objects=objects, scores=scores)
        labels = self._read(self.labels, stem, size)
        regions = np.where(labels == 0, VOID, labels).astype(np.uint8)
        return Segmentation(regions, k=0, objects=objects, scores=scores)

    def _read(self, files: dict[str, Path], stem: str | None, size: tuple[int, int]) -> np.ndarray:
        if stem is None or stem not in files:
            return np.zeros(size, np.uint8)
        path = files[stem]
        try:
            mask = read_mask(path)
        except FrameError as problem:
            raise SourceError(f"the mask {str(path)!r} cannot be read: {problem}", "write it again") from None
        if mask.shape != size:
            raise SourceError(
                f"the mask {str(path)!r} is {mask.shape[1]}x{mask.shape[0]}, its frame {size[1]}x{size[0]}",
                "scale masks to their frames with nearest-neighbour interpolation",
            )
        return mask


def folders(root: Path, names: Sequence[str]) -> list[Path]:
    """The folder of each recording's masks. Raises SourceError where there is none."""
    if not root.is_dir():
        raise SourceError(f"there is no folder {str(root)!r}", "--masks needs a folder with masks")
    inner = [root / name for name in names]
    if len(names) == 1 and not inner[0].is_dir():
        return [root]
    absent = [str(folder) for folder in inner if not folder.is_dir()]
    if absent:
        raise SourceError(
            f"there is no folder {absent[0]!r}", "--masks needs a folder for each recording, of the same name"
        )
    return inner


def score(
    setup: SessionConfig,
    folder: Path,
    *,
    every: int = 1,
    max_frames: int | None = None,
    observer: Observer | None = None,
    listener: Listener = NOBODY,
    protocol: str = "",
) -> Score:
    """Score the masks in `folder` on the recording of `setup`, as `scoring.score` does those of a model.

    Raises SourceError: no annotated frame, none that has a mask, a mask that does not fit.
    """
    masks = Masks(folder)
    with open_source(setup.source, setup.options) as source:
        require_annotation(source)
        assert isinstance(source, Recording)
        scorer, report = Scorer(source.kind, observer, protocol=protocol), Statistics()
        coming = source.coming(every, max_frames)
        listener.begin(len(coming))
        for index in coming:
            try:
                frame = source[index]
            except FrameError as problem:
                scorer.leave_out(source.name_of(index), str(problem))
                continue
            scorer.write(frame, masks.of(frame) if frame.load_annotation else _nothing(frame))
            report.processed += 1
            listener.progress(report)
        if len(masks.missing) >= scorer.scores.frames > 0:
            known = masks.labels or masks.objects
            raise SourceError(
                f"no mask in {str(folder)!r} belongs to a frame of {setup.source!r}",
                f"frames are called {masks.missing[0]!r} ..., masks {next(iter(known))!r} ...",
            )
    result = scorer.result()
    if not result.frames:
        raise nothing_scored(setup.source, scorer.unscored)
    result.missing = masks.missing
    return result


def _nothing(frame: Frame) -> Segmentation:
    return Segmentation(np.full(frame.rgb.shape[:2], VOID, np.uint8), k=0)


def _scores(path: Path) -> dict[str, dict[int, float]]:
    """{frame: {id: score}} of a segments.jsonl that was made of objects; nothing of any other. Raises SourceError."""
    try:
        lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
        return {
            line["name"]: {one["id"]: one["score"] for one in line["segments"] if one.get("score") is not None}
            for line in lines
            if line["masks"] == "objects"
        }
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise SourceError(f"{str(path)!r} cannot be read: {problem}", "remove it, or write it again") from None


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return {path.stem: path for path in found}


def _some(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
