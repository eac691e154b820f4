"""Measures networks, and compares each checkpoint with the network it started from, on the same units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from streamseg.backbones import Spec
from streamseg.errors import ModelError, SourceError
from train.data.recordings import open_recordings
from train.probes import Result, fewshot, knn, labelled, linear, semi
from train.probes.bootstrap import interval
from train.probes.dense import DenseProbe
from train.probes.embed import Points, embed
from train.probes.network import InferenceOptions, Network, starting_network

Log = Callable[[str], None]
Probe = Callable[[Network], Result]


@dataclass(frozen=True)
class Question:
    """What is measured; the fields are the flags of the command `probe`."""

    task: str
    data: tuple[str, ...]
    size: int | tuple[int, int] = 384
    frames: int = 24
    k: int = 5
    val_share: float = 0.2
    way: int = 5
    shot: int = 5
    seed: int = 0


def make_probe(question: Question, log: Log) -> Probe:
    """Read the data and return the probe. Raises SourceError."""
    return _dense(question, log) if question.task == "dense" else _classification(question, log)


def _dense(question: Question, log: Log) -> Probe:
    recordings = open_recordings(question.data, lambda skip: log(f"{skip.name}: left out, {skip.reason}"))
    probes: dict[object, DenseProbe] = {}

    def probe(network: Network) -> Result:
        fixed_size = network.shape.size
        size, multiple = fixed_size or question.size, 1 if fixed_size else network.shape.multiple
        if (size, multiple) not in probes:
            dense = DenseProbe(recordings, size, question.frames, question.seed, k=question.k, multiple=multiple)
            probes[size, multiple] = dense
            for line in dense.notes():
                log(line)
        return probes[size, multiple].result(network.clustered)

    return probe


def _classification(question: Question, log: Log) -> Probe:
    if len(question.data) != 1:
        raise SourceError(f"--task {question.task} takes one --data folder", "put the classes into one folder")
    data = labelled.read(
        Path(question.data[0]), frames=question.frames, val_share=question.val_share, seed=question.seed, log=log
    )
    log(f"{len(data.classes)} classes, {len(data.train)} images to learn from, {len(data.val)} held out")

    def probe(network: Network) -> Result:
        size = network.input_size(question.size)
        train, val = (embed(network, items, size, log) for items in (data.train, data.val))
        for points, purpose in ((train, "learn from"), (val, "hold out")):
            if len(np.unique(points.y)) != len(data.classes):
                raise SourceError(
                    f"a class has no readable image to {purpose}", "check the files of the smallest class"
                )
        with threadpool_limits(1):  # the problems are so small that more threads take longer
            return _scored(question, train, val, tuple(data.groups))

    return probe


def _scored(question: Question, train: Points, val: Points, names: tuple[str, ...]) -> Result:
    if question.task != "fewshot":
        score = {"knn": knn.score, "linear": linear.score, "semi": semi.score}[question.task]
        return Result(score(train, val, question.seed), val.groups, names)
    scores = fewshot.score(train, val, question.seed, way=question.way, shot=question.shot)
    count = len(next(iter(scores.values())))
    return Result(scores, np.arange(count), tuple(f"episode {i}" for i in range(count)))


def compare(probe: Probe, specs: Sequence[Spec], options: InferenceOptions, seed: int = 0) -> list[dict[str, Any]]:
    """Probe each network and, for a checkpoint, the network it started from.

    Returns one entry per spec: {"model", "start" (None if it is not available; "note" says why), "figures": {name:
    {"value", "interval", "start", "difference", "difference_interval"}}, "groups": {recording: {name: value}}}. The
    intervals are 95 % intervals, see `train.probes.bootstrap`; those of differences are paired. Raises ModelError if a
    network cannot be run.
    """
    cache: dict[Spec, Result] = {}
    entries = []
    for spec in specs:
        result = _probed(spec, probe, options, cache)
        start, note = starting_network(spec)
        before = None
        if start is not None:
            try:
                before = _probed(start, probe, options, cache)
            except ModelError as problem:
                note = f"the weights it started from are not available: {problem.message}"
        entries.append(
            {
                "model": spec.model,
                "start": note if before else None,
                "note": "" if before else note,
                "figures": {name: _figure(name, result, before, seed) for name in result.scores},
                "groups": result.by_group() if len(result.names) < len(result.groups) else {},
            }
        )
    return entries


def _probed(spec: Spec, probe: Probe, options: InferenceOptions, cache: dict[Spec, Result]) -> Result:
    """Return the result of a network, from `cache` if it was probed before."""
    if spec not in cache:
        network = Network(spec, options)
        try:
            cache[spec] = probe(network)
        finally:
            network.close()
    return cache[spec]


def _figure(name: str, result: Result, before: Result | None, seed: int) -> dict[str, Any]:
    scores, groups, macro = result.scores[name], result.groups, result.macro
    figure: dict[str, Any] = {
        "value": result.figures()[name],
        "interval": interval(scores, groups, macro, seed=seed),
        "start": None,
        "difference": None,
        "difference_interval": None,
    }
    if before is not None:
        figure["start"] = before.figures()[name]
        figure["difference"] = figure["value"] - figure["start"]
        figure["difference_interval"] = interval(scores - before.scores[name], groups, macro, seed=seed)
    return figure
