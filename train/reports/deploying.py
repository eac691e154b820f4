"""Chooses the share of the trained weights that is deployed: the largest one that makes nothing worse.

The deployed weights are interpolated between the starting and the trained ones, see `train.averaging`. As in WiSE-FT
(Wortsman et al., 2022, arXiv:2109.01903) the share is chosen on held-out frames: those that choose best.pt, never those
that measure the result. It is the largest share with which no figure is lower than with share 0, and one is higher with
its whole 95 % interval. Share 0 is the starting network with the trained head; it is chosen if nothing shows that
trained weights are better. A head may make regions worse, for example after few steps: so what is chosen is also
compared with the starting network as it was, which is deployed if figures fall and none rises.

With masks the figures are the IoU of the best segment, the IoU of the union, and the IoU of the objects that `run`
finds (`free`). Without masks there is only the label-free score, which does not measure objects, and is uncertain where
there are few recordings. The share is then limited to the one that was measured to improve masks
(`Method.measured_share`), and this one needs no proof: the score must only not fall.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from streamseg.backbones import checkpoint
from streamseg.backbones.checkpoint import BEST, LAST
from train.callbacks.probing import Probing
from train.method import Method
from train.reports.candidates import START, Candidate, Candidates, better, content_at, worse

SHARES = 1.0, 0.5, 0.25
"""Candidates, in the order in which they are tried."""


def choose_share(probing: Probing | None, method: Method, output: Path, say: Callable[[str], None]) -> float:
    """Choose the share of best.pt, rewrite that file accordingly, and return the share.

    last.pt does not change. The share is the one of the run if the flags fix it, or if nothing can be measured.
    """
    evaluators = probing.evaluators if probing else None
    run_share = method.averaging.share
    if method.share_before_choice == run_share or not (output / BEST).exists():
        return run_share
    best = checkpoint.read(output / BEST)
    if probing is None or evaluators is None or evaluators.choice_probe is None:  # nothing can be measured
        checkpoint.write(output / BEST, content_at(run_share, best, method))
        return run_share
    candidates, without_masks = Candidates(best, evaluators, method, output), not evaluators.val
    proven = without_masks and method.measured_share is not None
    chosen = _chosen(candidates, _limit(method, without_masks), proven, say)
    say(f"{BEST}: {candidates.describe(chosen)}; --average W sets another share")
    share = 0.0 if chosen == START else chosen
    if not share and without_masks:
        say("note: without masks nothing showed that trained weights are better; --val takes recordings with masks")
    checkpoint.write(output / BEST, candidates.content(chosen))
    if chosen != run_share:
        probing.evaluate_again(*candidates.features(chosen))
    return share


def deployed(method: Method, output: Path, share: float) -> dict[str, str] | None:
    """Return what best.pt holds, for run.json; None without best.pt. share: of the trained weights.

    "weights": "start", "trained", or "interpolated" between them. "head", the foreground head: "none", "start" (that of
    the starting network, as it was) or "trained".
    """
    if not (output / BEST).exists():
        return None
    head, start = checkpoint.read(output / BEST).get("head") or {}, method.student.starting_head()
    old = start.state_dict() if start else {}
    as_it_was = bool(old) and all(torch.equal(old[name], tensor) for name, tensor in head.items())
    return {
        "weights": {0.0: "start", 1.0: "trained"}.get(share, "interpolated"),
        "head": "none" if not head else "start" if as_it_was else "trained",
    }


def _limit(method: Method, without_masks: bool) -> float:
    """Return the largest share that may be chosen."""
    if not without_masks:
        return 1.0
    run_share, measured = method.averaging.share, method.measured_share
    return run_share if measured is None else min(run_share, measured)


def _chosen(candidates: Candidates, limit: float, proven: bool, say: Callable[[str], None]) -> Candidate:
    """Return the largest share up to `limit` that is better, else 0; or START if that is worse than the start."""

    chosen = 0.0
    for share in SHARES:
        if share > limit:
            continue
        changes = candidates.compare(share, 0.0, until_one_falls=True)
        say(candidates.describe_changes(share, 0.0, changes))
        if better(changes, proven):
            chosen = share
            break
    if not candidates.best.get("head"):
        return chosen
    changes = candidates.compare(chosen, START)
    say(candidates.describe_changes(chosen, START, changes))
    return START if worse(changes) else chosen


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
