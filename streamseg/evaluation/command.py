"""All of `streamseg eval`: every model on every source with every seed, and what comes out as one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamseg.config import SessionConfig
from streamseg.evaluation import given_masks, scoring
from streamseg.evaluation.curve import distortion_curve
from streamseg.evaluation.gallery import Gallery
from streamseg.evaluation.instances.survey import ObjectSurvey
from streamseg.evaluation.protocols import figures_of
from streamseg.evaluation.request import Request
from streamseg.evaluation.sequence import FIGURES
from streamseg.frame import Frame, Segmentation
from streamseg.runtime import manifest
from streamseg.runtime.session import Session


def evaluate(asked: Request, listener: scoring.Listener, pictures: bool = False) -> dict[str, Any]:
    """{"models": [{"model", "sequences": [...], "mean"}], "figures": what each one means, ...}; all plain types.

    pictures: every sequence also gets "gallery" (a Gallery), "objects" (an ObjectSurvey) and, of models, "curve", for
    the page. Raises StreamsegError.
    """
    names = scoring.short_names(asked.sources)
    models = []
    if asked.masks is not None:
        folders = given_masks.folders(asked.masks, names)
        models.append(_of_masks(asked, names, folders, listener, pictures))
    for model, setups in asked.setups.items():
        runs, extras = [], []
        for name, setup in zip(names, setups, strict=True):
            listener.log(f"{model}: {name}")
            scores, extra = _of_model(setup, asked, listener, pictures)
            runs.append(scores)
            extras.append(extra)
        models.append({"model": model, **document(names, runs, extras)})
    seeds = [setups[0].clustering.seed for setups in asked.setups.values()][:1]
    return {
        "sequences": names,
        "models": models,
        "seeds": [seed + i for seed in seeds for i in range(asked.seeds)],
        "protocol": asked.protocol,
        "figures": meanings(asked.protocol),
        "versions": manifest.versions(),
    }


def meanings(protocol: str) -> dict[str, str]:
    """What every figure means, with those of a protocol, "" = none."""
    return FIGURES | {name: figure.meaning for name, figure in figures_of(protocol).items()}


def watchers(pictures: bool) -> tuple[dict[str, Any], scoring.Observer | None]:
    """What the page shows of one sequence, filled by the observer; nothing without pictures."""
    if not pictures:
        return {}, None
    extra: dict[str, Any] = {"gallery": Gallery(), "objects": ObjectSurvey()}

    def see(frame: Frame, segmentation: Segmentation, truth: np.ndarray, own: dict[str, float]) -> None:
        for one in extra.values():
            one.see(frame, segmentation, truth, own)

    return extra, see


def _of_model(
    setup: SessionConfig, asked: Request, listener: scoring.Listener, pictures: bool
) -> tuple[list[scoring.Score], dict[str, Any]]:
    """The scores of all seeds; pictures are of the first."""
    extra, observer = watchers(pictures)

    def look(session: Session) -> None:
        extra["curve"] = distortion_curve(session, setup.clustering)

    scores = scoring.over_seeds(
        setup,
        asked.seeds,
        every=asked.every,
        max_frames=asked.max_frames,
        listener=listener,
        observer=observer,
        after=look if pictures else None,
        protocol=asked.protocol,
        singly=asked.singly,
    )
    return scores, extra


def _of_masks(
    asked: Request, names: Sequence[str], folders: Sequence[Any], listener: scoring.Listener, pictures: bool
) -> dict[str, Any]:
    runs, extras = [], []
    for source, folder in zip(asked.sources, folders, strict=True):
        extra, observer = watchers(pictures)
        score = given_masks.score(
            SessionConfig(source),
            folder,
            every=asked.every,
            max_frames=asked.max_frames,
            observer=observer,
            listener=listener,
            protocol=asked.protocol,
        )
        runs.append([score])
        extras.append(extra)
    return {"model": f"masks of {asked.masks}", **document(names, runs, extras)}


def document(
    names: Sequence[str], runs: Sequence[Sequence[scoring.Score]], extras: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The entry of one model: runs = for each source one score a seed. The mean is over sequences; its standard
    deviation is that of the seeds' means."""
    sequences = [
        {
            "name": name,
            "frames": scores[0].frames,
            "figures": scoring.summary([score.figures for score in scores]),
            "matches": [score.matches for score in scores],
            "unscored": scores[0].unscored,
            "missing": scores[0].missing,
            **extra,
        }
        for name, scores, extra in zip(names, runs, extras, strict=True)
    ]
    means = [scoring.mean_figures(of_seed) for of_seed in zip(*runs, strict=True)]
    return {"sequences": sequences, "mean": scoring.summary(means)}
