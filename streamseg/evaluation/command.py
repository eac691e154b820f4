"""All of `streamseg eval`: every model on every source with every seed, and what comes out as one document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamseg import manifest
from streamseg.backbones import describe
from streamseg.evaluation import scoring
from streamseg.evaluation.sequence import FIGURES
from streamseg.session import Setup, grouped

DEFAULT = "efficientnet_lite0"


@dataclass(frozen=True)
class Request:
    """setups: of each model, one for each source. seeds: how many. every, max_frames: as in `stream`."""

    sources: tuple[str, ...]
    setups: dict[str, tuple[Setup, ...]]
    seeds: int = 1
    every: int = 1
    max_frames: int | None = None


def request(sources: Sequence[str], given: dict[str, Any]) -> Request:
    """From the command's flags by name. Raises ModelError for a model that cannot be, before anything is read."""
    rest = dict(given)
    models = tuple(dict.fromkeys(rest.pop("models"))) or (DEFAULT,)
    how = {name: rest.pop(name) for name in ("seeds", "every", "max_frames")}
    setups = {}
    for model in models:
        fields = grouped(rest | {"model": model})
        fields["settings"] = replace(fields["settings"], objects=True)
        describe(fields["spec"])
        setups[model] = tuple(Setup(source, **fields) for source in sources)
    return Request(tuple(sources), setups, **how)


def evaluate(asked: Request, log: Callable[[str], None]) -> dict[str, Any]:
    """{"models": [{"model", "sequences": [...], "mean"}], "figures": what each one means, ...}; all plain types."""
    names = scoring.short_names(asked.sources)
    models = []
    for model, setups in asked.setups.items():
        runs = []
        for name, setup in zip(names, setups, strict=True):
            log(f"{model}: {name}")
            runs.append(scoring.over_seeds(setup, asked.seeds, lambda one: _score(one, asked, log)))
        models.append({"model": model, **document(names, runs)})
    first = next(iter(asked.setups.values()))[0]
    return {
        "models": models,
        "seeds": [first.settings.seed + i for i in range(asked.seeds)],
        "figures": FIGURES,
        "versions": manifest.versions(),
    }


def _score(setup: Setup, asked: Request, log: Callable[[str], None]) -> scoring.Score:
    # what is used is told once, not for each seed
    first = setup.settings.seed == asked.setups[next(iter(asked.setups))][0].settings.seed
    return scoring.score(setup, every=asked.every, max_frames=asked.max_frames, log=log if first else None)


def document(names: Sequence[str], runs: Sequence[Sequence[scoring.Score]]) -> dict[str, Any]:
    """The entry of one model: runs = for each source one score a seed. The mean is over sequences; its standard
    deviation is that of the seeds' means."""
    sequences = [
        {
            "name": name,
            "frames": scores[0].frames,
            "figures": scoring.summary([score.figures for score in scores]),
            "matches": [score.matches for score in scores],
            "unscored": scores[0].unscored,
        }
        for name, scores in zip(names, runs, strict=True)
    ]
    means = [scoring.mean_figures([score.figures for score in of_seed]) for of_seed in zip(*runs, strict=True)]
    return {"sequences": sequences, "mean": scoring.summary(means)}
