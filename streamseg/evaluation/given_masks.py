"""Score masks that any program has written: image files with the names of the frames. No network is needed.

FOLDER holds the masks of one recording, or one subfolder for each of several recordings, with the same names. In the
output folder of `streamseg run`, objects/ holds the objects, and labels/ (or else panoptic/) the regions. In any other
folder, each mask is used both as objects and as regions, and 0 is the background. Indexed, gray and coloured images are
read like ground truth. If FOLDER has a segments.jsonl, it holds the scores of the objects.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamseg.config import SessionConfig
from streamseg.errors import FrameError, SourceError
from streamseg.evaluation.scoring import (
    NO_TRUTH,
    SILENT,
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
from streamseg.sources import read_mask
from streamseg.sources.recording import open_recording

SCORES = "segments.jsonl"
SUFFIXES = frozenset((".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".jpg", ".jpeg"))


class Masks:
    """Reads the masks of one recording. missing: names of frames without a mask, which count as empty.

    Raises SourceError if `folder` holds no masks, or if its segments.jsonl cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = _by_stem(folder / "objects")
        self.labels = _by_stem(folder / "labels") or _by_stem(folder / "panoptic")
        if not self.objects and not self.labels:
            self.objects = self.labels = _by_stem(folder)
        if not self.objects and not self.labels:
            raise SourceError(
                f"{str(folder)!r} holds no masks",
                "it must hold image files with the names of the frames: " + ", ".join(sorted(SUFFIXES)),
            )
        self.missing: list[str] = []
        self.scores = _read_scores(folder / SCORES) if (folder / SCORES).is_file() and self.objects else {}

    def of(self, frame: Frame) -> Segmentation:
        """Return the masks of a frame. Raises SourceError if a file cannot be read or has another size."""
        size = frame.rgb.shape[:2]
        stems = [stem for stem in (frame.name, safe_name(frame.name)) if stem in self.labels or stem in self.objects]
        if not stems:
            self.missing.append(frame.name)
        stem = stems[0] if stems else ""
        objects = self._read(self.objects, stem, size) if self.objects else None
        same_files = self.labels is self.objects
        labels = objects if same_files and objects is not None else self._read(self.labels, stem, size)
        regions = np.where(labels == 0, VOID, labels).astype(np.uint8)
        return Segmentation(regions, k=0, objects=objects, scores=self.scores.get(frame.name, {}))

    def _read(self, files: dict[str, Path], stem: str, size: tuple[int, int]) -> np.ndarray:
        """Return the (H, W) uint8 mask of the file with this stem; an empty mask if there is none."""
        if stem not in files:
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
        return np.where(mask == VOID, 0, mask).astype(np.uint8)  # a truth can be void, an answer cannot


def folders(root: Path, names: Sequence[str]) -> list[Path]:
    """Return the folder with the masks of each recording. names: of the recordings. Raises SourceError if one is
    missing."""
    if not root.is_dir():
        raise SourceError(f"there is no folder {str(root)!r}", "--masks needs a folder with masks")
    subfolders = [root / name for name in names]
    if len(names) == 1 and not subfolders[0].is_dir():
        return [root]
    absent = [str(folder) for folder in subfolders if not folder.is_dir()]
    if absent:
        raise SourceError(
            f"there is no folder {absent[0]!r}", "--masks needs a folder for each recording, of the same name"
        )
    return subfolders


def score(
    setup: SessionConfig,
    folder: Path,
    *,
    every: int = 1,
    max_frames: int | None = None,
    observer: Observer | None = None,
    listener: Listener = SILENT,
    protocol: str = "",
) -> Score:
    """Score the masks in `folder` on the recording of `setup`, as `scoring.score` scores the masks of a model.

    every, max_frames, observer, listener, protocol: see `scoring.over_seeds`. Raises SourceError if no frame is
    annotated, if no frame has a mask, or if a mask has another size than its frame.
    """
    masks = Masks(folder)
    with open_recording(setup.source, setup.options, why=NO_TRUTH) as source:
        require_annotation(source)
        scorer, statistics = Scorer(source.kind, observer, protocol=protocol), Statistics()
        coming = source.coming(every, max_frames)
        listener.begin(len(coming))
        for index in coming:
            try:
                frame = source[index]
            except FrameError as problem:
                scorer.leave_out(source.name_of(index), str(problem))
                continue
            scorer.write(frame, masks.of(frame) if frame.load_annotation else _empty(frame))
            statistics.processed += 1
            listener.progress(statistics)
        if len(masks.missing) >= scorer.scores.frames > 0:
            stems = masks.labels or masks.objects
            raise SourceError(
                f"no mask in {str(folder)!r} belongs to a frame of {setup.source!r}",
                f"frames are called {masks.missing[0]!r} ..., masks {next(iter(stems))!r} ...",
            )
    result = scorer.result()
    if not result.frames:
        raise nothing_scored(setup.source, scorer.unscored)
    result.missing = masks.missing
    return result


def _empty(frame: Frame) -> Segmentation:
    return Segmentation(np.full(frame.rgb.shape[:2], VOID, np.uint8), k=0)


def _read_scores(path: Path) -> dict[str, dict[int, float]]:
    """Return {name of the frame: {id: score}} from a segments.jsonl, of the lines about objects. Raises SourceError."""
    scores = {}
    try:
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            if line["masks"] == "objects":
                segments = [segment for segment in line["segments"] if segment.get("score") is not None]
                scores[line["name"]] = {segment["id"]: segment["score"] for segment in segments}
        return scores
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise SourceError(f"{str(path)!r} cannot be read: {problem}", "remove it, or write it again") from None


def _by_stem(folder: Path) -> dict[str, Path]:
    """Return the image files in a folder by their stem, sorted; {} if there is no such folder."""
    if not folder.is_dir():
        return {}
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return {path.stem: path for path in files}
