"""Chooses the share of the trained weights that is deployed: the largest one that makes nothing worse.

The deployed weights are interpolated between the starting and the trained ones, see `train.averaging`. As in WiSE-FT
(Wortsman et al., 2022, arXiv:2109.01903) the share is chosen on held-out frames: those that choose best.pt, never those
of the report. It is the largest share with which no figure is lower than with share 0, and one is higher with its whole
95 % interval. Share 0 is the starting network with the trained head; it is deployed if nothing shows that trained
weights are better.

With masks the figures are the IoU of the best segment, the IoU of the union, and the IoU of the objects that `run`
finds (`free`). Without masks there is only the label-free score, which does not measure objects, and is uncertain where
there are few recordings. The share is then limited to the one that was measured to improve masks
(`Method.measured_share`), and this one needs no proof: the score must only not fall.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from streamseg.backbones import Spec, checkpoint
from train.callbacks.checkpointing import BEST, LAST
from train.callbacks.probing import Probing, features_of
from train.method import Method
from train.probes import Features, Result
from train.probes.evaluators import PROBED_FRAMES, Evaluators
from train.probes.objects import score_objects
from train.reports.verdict import compared, format_difference
from train.settings import Settings

SHARES = 1.0, 0.5, 0.25
"""Candidates, in the order in which they are tried."""
REQUIRED_FIGURES = ("iou_best", "iou_union", "agreement", "free")
"""Figures that must not fall."""
CANDIDATE_FILE = ".candidate.pt"
"""Temporary checkpoint of a candidate, in the output folder."""
Content = dict[str, Any]
Changes = dict[str, dict[str, Any]]


def choose_share(
    probing: Probing | None, method: Method, settings: Settings, output: Path, say: Callable[[str], None]
) -> float:
    """Choose the share of best.pt, rewrite that file accordingly, and return the share.

    last.pt does not change. The share is the one of the run if the flags fix it, or if nothing can be measured.
    """
    evaluators = probing.evaluators if probing else None
    run_share = method.averaging.share
    if method.share_before_choice == run_share or not (output / BEST).exists():
        return run_share
    best = checkpoint.read(output / BEST)
    if probing is None or evaluators is None or evaluators.choice is None:  # nothing can be measured
        checkpoint.write(output / BEST, _with_share(run_share, best, method))
        return run_share
    compare = _comparison(best, evaluators, method, settings, output)
    limit, proven = (1.0 if evaluators.val else run_share), False
    if not evaluators.val and method.measured_share is not None:
        limit, proven = min(run_share, method.measured_share), True
    share = 0.0
    for candidate in SHARES:
        if candidate > limit:
            continue
        changes = compare(candidate)
        differences = ", ".join(f"{name} {format_difference(change)}" for name, change in changes.items())
        say(f"{_description(candidate, best)}, compared with {_description(0, best)}: {differences}")
        if better(changes, proven):
            share = candidate
            break
    say(f"{BEST}: {_description(share, best)}; --average W sets another share")
    if not share and not evaluators.val:
        say("note: without masks nothing showed that trained weights are better; --val takes recordings with masks")
    chosen = _with_share(share, best, method)
    checkpoint.write(output / BEST, chosen)
    if share != run_share:
        probing.evaluate_again(*_checkpoint_features(chosen, method))
    return share


def interrupted_share(probing: Probing | None, method: Method, output: Path) -> tuple[float, str]:
    """Return the share of best.pt of an interrupted run, and the verdict. Nothing is measured any more."""
    verdict = f"interrupted after {method.global_step} of {method.total_steps} steps; --resume continues it"
    if not (output / BEST).exists():
        return method.averaging.share, verdict
    share = method.share_before_choice
    if probing and share != method.averaging.share:
        probing.figures.pop("best", None)  # they were measured with other weights
    if share:
        return share, f"{verdict}; {BEST} was not compared with the start"
    return share, f"{verdict}; until a run ends {BEST} has the starting weights, {LAST} what training made"


def _description(share: float, best: Content) -> str:
    if share:
        return f"weights {share:g} of the way to the trained ones"
    return "the starting weights" + (" with the trained head" if best.get("head") else "")


def better(changes: Changes, proven: bool = False) -> bool:
    """Return whether no figure is lower and, unless a gain is `proven`, one is higher with its whole interval.

    changes: see `verdict.compared`.
    """
    intervals = [change["interval"] for change in changes.values()]
    return not _any_falls(changes) and (proven or any(interval and interval[0] > 0 for interval in intervals))


def _any_falls(changes: Changes) -> bool:
    return any(change["difference"] < 0 for change in changes.values())


def _comparison(
    best: Content, evaluators: Evaluators, method: Method, settings: Settings, output: Path
) -> Callable[[float], Changes]:
    """Return a function that measures the changes of the figures by a share, against share 0.

    Objects take longest: they are measured only if no other figure falls.
    """
    choice = evaluators.choice
    assert choice is not None

    @cache
    def regions(share: float) -> dict[str, Result]:
        return {"regions": choice.result(_checkpoint_features(_with_share(share, best, method), method)[0])}

    @cache
    def objects(share: float) -> dict[str, Result]:
        file, frames = output / CANDIDATE_FILE, PROBED_FRAMES // 2
        try:
            checkpoint.write(file, {**_with_share(share, best, method), "training": None})
            return score_objects(
                evaluators.val, Spec(str(file)), settings.probe_size, frames, settings.seed, chooses=True
            )
        finally:
            file.unlink(missing_ok=True)

    def changes(share: float, measure: Callable[[float], dict[str, Result]]) -> Changes:
        before, after = measure(0.0), measure(share)
        comparisons: Changes = {}
        for name in before.keys() & after.keys():
            # the choice is not reported as a result, so that the plain percentiles suffice
            comparisons |= compared(before[name], after[name], settings.seed, stretched=False)
        return {name: change for name, change in comparisons.items() if name in REQUIRED_FIGURES}

    def compare(share: float) -> Changes:
        region_changes = changes(share, regions)
        if _any_falls(region_changes) or not evaluators.val:
            return region_changes
        return region_changes | changes(share, objects)

    return compare


def _with_share(share: float, content: Content, method: Method) -> Content:
    """Return the checkpoint `content` with this share of its trained weights as the deployed weights."""
    backbone = method.backbone()
    path = next(name for name, module in method.named_modules() if module is backbone)
    trained = copy.deepcopy(backbone.net).cpu()
    prefix = f"{path}.net."
    state = content["training"]["state_dict"].items()
    trained.load_state_dict({name.removeprefix(prefix): value for name, value in state if name.startswith(prefix)})
    return {**content, "state_dict": method.averaging.between(trained.state_dict(), share)}


def _checkpoint_features(content: Content, method: Method) -> tuple[Features, Features]:
    """Return the features of a checkpoint that are clustered, with the head's output, and the features alone."""
    encoder, head = copy.deepcopy(method.backbone()).cpu(), copy.deepcopy(method.deployed_head())
    encoder.net.load_state_dict(content["state_dict"])
    if head is not None:
        head.load_state_dict(content["head"])
    return features_of(encoder, head, method.head_output), features_of(encoder)
