"""How far from the starting weights to the trained ones what is deployed lies: as far as nothing becomes worse by it.

WiSE-FT (Wortsman et al., 2022, arXiv:2109.01903) chooses the share by held-out frames. So does this, by the frames that
choose best.pt, never by those of the report: the largest share by which no figure is lower than by share 0, and one is
higher with its 95 % interval. Share 0 is the network that training started from, with the trained head: where nothing
shows that the trained weights are better, they are not used.

With masks the figures are the best segment, the union, and the objects that `run` finds (`free`). Without, the
label-free score, which sees no objects: then the share is not larger than what the method was measured with.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
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
from train.reports.verdict import compared
from train.settings import Settings

SHARES = 1.0, 0.5, 0.25
COUNTED = ("iou_best", "iou_union", "agreement", "free")
"""Figures that must not fall."""
CANDIDATE = ".candidate.pt"
Content = dict[str, Any]
Changes = dict[str, dict[str, Any]]


def settle(
    probing: Probing | None, method: Method, settings: Settings, output: Path, say: Callable[[str], None]
) -> float:
    """Choose the share of best.pt, and write it anew by that; last.pt stays what training made. Returns the share of
    best.pt: that of the run where it was told, or where nothing can judge."""
    evaluators = probing.evaluators if probing else None
    usual = method.averaging.share
    if method.safe_share == usual or not (output / BEST).exists():
        return usual
    best = checkpoint.read(output / BEST)
    if probing is None or evaluators is None or evaluators.choice is None:  # nothing can judge
        checkpoint.write(output / BEST, _at(usual, best, method))
        return usual
    compare = _comparison(best, evaluators, method, settings, output)
    share = 0.0
    for candidate in (one for one in SHARES if evaluators.val or one <= min(usual, method.measured)):
        changes = compare(candidate)
        told = ", ".join(f"{name} {_told(change)}" for name, change in changes.items())
        say(f"{candidate:g} of the way from the starting to the trained weights: {told}")
        if better(changes):
            share = candidate
            break
    say(f"{BEST}: {_named(share, best)}; --average W tells another share")
    if not share and not evaluators.val:
        say("note: without masks nothing showed that trained weights are better; --val takes recordings with masks")
    chosen = _at(share, best, method)
    checkpoint.write(output / BEST, chosen)
    if share != usual:
        probing.judge_again(*_seen(chosen, method))
    return share


def unsettled(probing: Probing | None, method: Method, output: Path) -> tuple[float, str]:
    """Of a run that was interrupted, which compares nothing any more: the share of best.pt, see `Method.safe_share`,
    and the verdict."""
    said = f"interrupted after {method.global_step} of {method.total_steps} steps; --resume continues it"
    if not (output / BEST).exists():
        return method.averaging.share, said
    share = method.safe_share
    if probing and share != method.averaging.share:
        probing.figures.pop("best", None)  # they are of other weights
    if share:
        return share, f"{said}; {BEST} was not compared with the start"
    return share, f"{said}; until a run ends {BEST} has the starting weights, {LAST} what training made"


def _named(share: float, best: Content) -> str:
    if share:
        return f"weights {share:g} of the way to the trained ones"
    return "the starting weights" + (" with the trained head" if best.get("head") else "")


def better(changes: Changes) -> bool:
    """Whether no figure is lower, and one is higher with its interval. changes: see `compared`."""
    return not _falls(changes) and any(one["interval"] and one["interval"][0] > 0 for one in changes.values())


def _falls(changes: Changes) -> bool:
    return any(one["difference"] < 0 for one in changes.values())


def _comparison(
    best: Content, evaluators: Evaluators, method: Method, settings: Settings, output: Path
) -> Callable[[float], Changes]:
    """What figures gain by a share, against share 0; of objects, which take longest, only where no other falls."""
    choice = evaluators.choice
    assert choice is not None

    @cache
    def regions(share: float) -> dict[str, Result]:
        return {"regions": choice.result(_seen(_at(share, best, method), method)[0])}

    @cache
    def objects(share: float) -> dict[str, Result]:
        file, frames = output / CANDIDATE, PROBED_FRAMES // 2
        try:
            checkpoint.write(file, {**_at(share, best, method), "training": None})
            return score_objects(
                evaluators.val, Spec(str(file)), settings.probe_size, frames, settings.seed, chooses=True
            )
        finally:
            file.unlink(missing_ok=True)

    def changes(share: float, of: Callable[[float], dict[str, Result]]) -> Changes:
        before, after = of(0.0), of(share)
        # what is deployed is a choice, not a claim: the plain percentiles will do
        pairs = [
            compared(before[one], after[one], settings.seed, stretched=False) for one in before.keys() & after.keys()
        ]
        return {name: one for found in pairs for name, one in found.items() if name in COUNTED}

    def compare(share: float) -> Changes:
        found = changes(share, regions)
        return found if _falls(found) or not evaluators.val else found | changes(share, objects)

    return compare


def _at(share: float, content: Content, method: Method) -> Content:
    """A checkpoint of the run that deploys this share of the weights that were trained up to then."""
    backbone = method.backbone()
    place = next(name for name, one in method.named_modules() if one is backbone)
    trained = copy.deepcopy(backbone.net).cpu()
    prefix = f"{place}.net."
    whole = content["training"]["state_dict"].items()
    trained.load_state_dict({name.removeprefix(prefix): one for name, one in whole if name.startswith(prefix)})
    return {**content, "state_dict": method.averaging.between(trained.state_dict(), share)}


def _seen(content: Content, method: Method) -> tuple[Features, Features]:
    """What is clustered of a checkpoint of the run, and its features alone."""
    encoder, head = copy.deepcopy(method.backbone()).cpu(), copy.deepcopy(method.deployed_head())
    encoder.net.load_state_dict(content["state_dict"])
    if head is not None:
        head.load_state_dict(content["head"])
    return features_of(encoder, head, method.head_output), features_of(encoder)


def _told(change: Mapping[str, Any]) -> str:
    told = f"{change['difference']:+.3f}"
    return told + (" [{:+.3f}, {:+.3f}]".format(*change["interval"]) if change["interval"] else "")
