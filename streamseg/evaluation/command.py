"""Do what `streamseg eval` does: score every model on every source with every seed, and return one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamseg.config import SessionConfig
from streamseg.evaluation import given_masks, scoring
from streamseg.evaluation.curve import distortion_curve
from streamseg.evaluation.gallery import Gallery
from streamseg.evaluation.instances.tracks import ObjectTracks
from streamseg.evaluation.protocols import figures_of
from streamseg.evaluation.request import Request
from streamseg.evaluation.sequence import FIGURES
from streamseg.frame import Frame, Segmentation
from streamseg.runtime import manifest
from streamseg.runtime.session import Session


def evaluate(request: Request, listener: scoring.Listener, for_page: bool = False) -> dict[str, Any]:
    """Score all models, or given masks, on all sources.

    for_page: add to every sequence what the HTML page shows: "gallery" (a Gallery), "objects" (an ObjectTracks) and,
    with a model, "curve". Without them the document has plain types only.
    Returns {"models": [{"model", "sequences": [...], "mean"}], "figures": {name: meaning}, ...}. Raises StreamsegError.
    """
    names = scoring.short_names(request.sources)
    models = []
    if request.masks is not None:
        folders = given_masks.folders(request.masks, names)
        models.append(_score_masks(request, names, folders, listener, for_page))
    for model, setups in request.setups.items():
        runs, page_entries = [], []
        for name, setup in zip(names, setups, strict=True):
            listener.log(f"{model}: {name}")
            scores, page_entry = _score_model(setup, request, listener, for_page)
            runs.append(scores)
            page_entries.append(page_entry)
        models.append({"model": model, **document(names, runs, page_entries)})
    seeds = [setups[0].clustering.seed for setups in request.setups.values()][:1]
    return {
        "sequences": names,
        "models": models,
        "seeds": [seed + i for seed in seeds for i in range(request.seeds)],
        "protocol": request.protocol,
        "figures": meanings(request.protocol),
        "versions": manifest.versions(),
    }


def meanings(protocol: str) -> dict[str, str]:
    """Return the meaning of every figure, by name, with those of a protocol ("" = none)."""
    return FIGURES | {name: figure.meaning for name, figure in figures_of(protocol).items()}


def page_observer(for_page: bool) -> tuple[dict[str, Any], scoring.Observer | None]:
    """Return {key: what the page shows of one sequence}, and the observer that fills it; ({}, None) without a page."""
    if not for_page:
        return {}, None
    page_entry: dict[str, Any] = {"gallery": Gallery(), "objects": ObjectTracks()}

    def observe(frame: Frame, segmentation: Segmentation, truth: np.ndarray, ious: dict[str, float]) -> None:
        for part in ("gallery", "objects"):
            page_entry[part].observe(frame, segmentation, truth, ious)

    return page_entry, observe


def _score_model(
    setup: SessionConfig, request: Request, listener: scoring.Listener, for_page: bool
) -> tuple[list[scoring.Score], dict[str, Any]]:
    """Return the scores of all seeds, and what the page shows of the first seed."""
    page_entry, observer = page_observer(for_page)

    def add_curve(session: Session) -> None:
        page_entry["curve"] = distortion_curve(session, setup.clustering)

    scores = scoring.over_seeds(
        setup,
        request.seeds,
        every=request.every,
        max_frames=request.max_frames,
        listener=listener,
        observer=observer,
        after=add_curve if for_page else None,
        protocol=request.protocol,
        singly=request.singly,
    )
    return scores, page_entry


def _score_masks(
    request: Request, names: Sequence[str], folders: Sequence[Any], listener: scoring.Listener, for_page: bool
) -> dict[str, Any]:
    runs, page_entries = [], []
    for source, folder in zip(request.sources, folders, strict=True):
        page_entry, observer = page_observer(for_page)
        score = given_masks.score(
            SessionConfig(source),
            folder,
            every=request.every,
            max_frames=request.max_frames,
            observer=observer,
            listener=listener,
            protocol=request.protocol,
        )
        runs.append([score])
        page_entries.append(page_entry)
    return {"model": f"masks of {request.masks}", **document(names, runs, page_entries)}


def document(
    names: Sequence[str], runs: Sequence[Sequence[scoring.Score]], page_entries: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the entry of one model: {"sequences", "mean"}.

    names: of the sequences. runs: for each sequence one score for each seed. page_entries: for each sequence {key: what
    the page shows of it}.
    The mean is over sequences; its standard deviation is that of the means of the seeds.
    """
    sequences = [
        {
            "name": name,
            "frames": scores[0].frames,
            "figures": scoring.summary([score.figures for score in scores]),
            "matches": [score.matches for score in scores],
            "unscored": scores[0].unscored,
            "missing": scores[0].missing,
            **page_entry,
        }
        for name, scores, page_entry in zip(names, runs, page_entries, strict=True)
    ]
    means = [scoring.mean_figures(of_seed) for of_seed in zip(*runs, strict=True)]
    return {"sequences": sequences, "mean": scoring.summary(means)}
