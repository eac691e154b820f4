"""The networks among which the one that is deployed is chosen, and their comparison.

A candidate is a share of the way from the starting to the trained weights, see `train.averaging`, with the trained head
if there is one; or START, the network that training started from.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from streamseg.backbones import Spec, checkpoint
from train.callbacks.probing import features_of
from train.method import Method
from train.probes import FeatureFunction, Result
from train.probes.evaluators import PROBED_FRAMES, Evaluators
from train.probes.objects import score_objects
from train.reports.verdict import all_compared, format_difference

START: Literal["start"] = "start"
"""The network that training started from, without the trained head."""
COMPARED_FIGURES = ("iou_best", "iou_union", "agreement", "free")
"""Figures that candidates are compared by."""
CANDIDATE_FILE = ".candidate.pt"
"""Temporary checkpoint of a candidate, in the output folder."""
Candidate = float | Literal["start"]
Content = dict[str, Any]
Changes = dict[str, dict[str, Any]]
"""{figure: comparison}, see `verdict.compared`."""


class Candidates:
    """The candidates of a run. best: content of best.pt. output: the output folder."""

    def __init__(self, best: Content, evaluators: Evaluators, method: Method, output: Path) -> None:
        self.best, self.evaluators, self.method, self.output = best, evaluators, method, output
        # a candidate is compared with others, and measured once
        self._regions, self._objects = lru_cache(None)(self._measure_regions), lru_cache(None)(self._measure_objects)

    def content(self, candidate: Candidate) -> Content:
        """Return the checkpoint of a candidate."""
        if candidate != START:
            return content_at(candidate, self.best, self.method)
        start, head = content_at(0.0, self.best, self.method), self.method.student.starting_head()
        output = self.method.student.recipe.head if head else ""
        kept = {name: value for name, value in start.items() if name != "head"}
        heads = {"head": dict(head.state_dict())} if head else {}
        return {**kept, **heads, "backbone": {**start["backbone"], "head": output}}

    def features(self, candidate: Candidate) -> tuple[FeatureFunction, FeatureFunction]:
        """Return the features of a candidate that are clustered, with the head's output, and the features alone."""
        content, method = self.content(candidate), self.method
        encoder, head = copy.deepcopy(method.backbone()).cpu(), None
        encoder.net.load_state_dict(content["state_dict"])
        if content.get("head"):
            head = copy.deepcopy(method.deployed_head())
            assert head is not None  # a network that starts with a head is trained with it
            head.load_state_dict(content["head"])
        return features_of(encoder, head, checkpoint.head_output(content["backbone"])), features_of(encoder)

    def compare(self, candidate: Candidate, reference: Candidate, until_one_falls: bool = False) -> Changes:
        """Return the changes of the figures by a candidate against another one.

        until_one_falls: measure objects, which takes longest, only if no other figure falls.
        """
        regions = self._changes(self._regions(reference), self._regions(candidate))
        if not self.evaluators.val or (until_one_falls and any_falls(regions)):
            return regions
        return regions | self._changes(self._objects(reference), self._objects(candidate))

    def describe(self, candidate: Candidate) -> str:
        """Return the words for a candidate in the log."""
        if candidate == START:
            return "the starting network as it was"
        if candidate == 1:
            return "the trained weights"
        if candidate:
            return f"weights {candidate:g} of the way to the trained ones"
        return "the starting weights" + (" with the trained head" if self.best.get("head") else "")

    def describe_changes(self, candidate: Candidate, reference: Candidate, changes: Changes) -> str:
        """Return the line of the log for a comparison."""
        differences = ", ".join(f"{name} {format_difference(change)}" for name, change in changes.items())
        return f"{self.describe(candidate)}, compared with {self.describe(reference)}: {differences}"

    def _measure_regions(self, candidate: Candidate) -> dict[str, Result]:
        assert self.evaluators.choice_probe is not None
        return {"regions": self.evaluators.choice_probe.result(self.features(candidate)[0])}

    def _measure_objects(self, candidate: Candidate) -> dict[str, Result]:
        file, frames, settings = self.output / CANDIDATE_FILE, PROBED_FRAMES // 2, self.method.settings
        try:
            checkpoint.write(file, {**self.content(candidate), "training": None})
            return score_objects(
                self.evaluators.val, Spec(str(file)), settings.probe_size, frames, settings.seed, chooses=True
            )
        finally:
            file.unlink(missing_ok=True)

    def _changes(self, before: dict[str, Result], after: dict[str, Result]) -> Changes:
        # this only chooses, and is no result of the run, so that the plain percentiles suffice
        comparisons = all_compared(before, after, self.method.settings.seed, stretched=False)
        return {name: change for name, change in comparisons.items() if name in COMPARED_FIGURES}


def content_at(share: float, content: Content, method: Method) -> Content:
    """Return the checkpoint `content` with this share of its trained weights as the deployed weights."""
    backbone = method.backbone()
    path = next(name for name, module in method.named_modules() if module is backbone)
    trained = copy.deepcopy(backbone.net).cpu()
    prefix = f"{path}.net."
    state = content["training"]["state_dict"].items()
    trained.load_state_dict({name.removeprefix(prefix): value for name, value in state if name.startswith(prefix)})
    return {**content, "state_dict": method.averaging.between(trained.state_dict(), share)}


def better(changes: Changes, proven: bool = False) -> bool:
    """Return whether no figure is lower and, unless a gain is `proven`, one is higher with its whole interval."""
    intervals = [change["interval"] for change in changes.values()]
    return not any_falls(changes) and (proven or any(interval and interval[0] > 0 for interval in intervals))


def worse(changes: Changes) -> bool:
    """Return whether a figure is lower and none is higher."""
    return any_falls(changes) and all(change["difference"] <= 0 for change in changes.values())


def any_falls(changes: Changes) -> bool:
    """Return whether a figure is lower."""
    return any(change["difference"] < 0 for change in changes.values())
