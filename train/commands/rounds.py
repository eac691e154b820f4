"""Rounds of a training: each is a run of its own, which starts from the network that the one before deploys.

A round is kept where trained weights went into its best.pt (see `reports.deploying`), none of the figures that chose it
is lower than before, and the report does not say that something became worse. The first one that is not kept ends it.
OUT/round1, OUT/round2 ... are the folders of the runs; OUT/best.pt is a copy of the last one that was kept.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamseg.errors import StreamsegError
from streamseg.files import written
from train import run as training
from train.callbacks.checkpointing import BEST, LAST
from train.callbacks.display import Display
from train.distributed import trainer_devices
from train.folder import RESULT, ROUND, OutputFolder
from train.method import Method
from train.reports.deploying import COUNTED
from train.reports.verdict import fell
from train.settings import Settings

Result = dict[str, Any]


def run(
    name: str, kind: type[Method], settings: Settings, options: Any, place: OutputFolder, display: Display
) -> dict[str, Any]:
    """`train.run.run`, as often as the method wants. Returns the summary of the last round that was kept, with those of
    all in "rounds". Raises StreamsegError; rounds that were done stay."""
    asked = kind.rounds(options)
    if asked == 1 or (place.resume and (place.output / LAST).is_file()):  # the latter: of a single round
        return training.run(name, kind, settings, options, place, display)
    _one_process(settings)
    results: list[Result] = []
    for number in range(1, asked + 1):
        display.say(f"round {number} of {asked}")
        told = (settings, options) if number == 1 else _further(settings, options, place.output, number)
        here = _place(place, number)
        found = (place.resume and _done(here.output)) or training.run(name, kind, *told, here, display)
        results.append(found)
        summary = _summary(results, asked, place.output)
        display.say(f"round {number}: {found['verdict']}")
        if found["status"] == "interrupted" or not helped(found):
            break
    return summary


def helped(result: Result) -> bool:
    """Whether the network that came out of a round is kept. result: its summary."""
    before, after = (result["probe"].get(name, {}) for name in ("frozen", "best"))
    lower = any(after[name] < before[name] for name in COUNTED if name in before.keys() & after.keys())
    return result["average"] > 0 and not lower and not fell(result["report"])


def _one_process(settings: Settings) -> None:
    hardware = trainer_devices(settings)
    if hardware["devices"] * hardware["num_nodes"] > 1:
        raise StreamsegError(
            "several rounds need one device: processes that train together end with a run",
            "give --devices cpu or cuda:1, or train round by round: --rounds 1, then --backbone OUT/best.pt -o NEXT",
        )


def _folder(output: Path, number: int) -> Path:
    return output / f"{ROUND}{number}"


def _place(whole: OutputFolder, number: int) -> OutputFolder:
    """Where a round writes. From the second one on the run has begun."""
    folder = _folder(whole.output, number)
    if number > 1:
        whole = OutputFolder(whole.output, resume=True)
    resume = whole.resume and (folder / LAST).is_file()
    return OutputFolder(folder, resume, whole.overwrite, within=whole)


def _further(settings: Settings, options: Any, output: Path, number: int) -> tuple[Settings, Any]:
    """What round `number` is told: net, layers and weights are those of the checkpoint of the one before."""
    before = _folder(output, number - 1)
    start = next(path for path in (before / BEST, before / LAST) if path.is_file())
    told = replace(settings, backbone=str(start.absolute()), init="imagenet", layers=(), facet="")
    return told, replace(options, rounds=1)


def _done(folder: Path) -> Result | None:
    """The summary of a round that was done before this run went on."""
    try:
        found: Result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found if found["status"] == "done" else None


def _summary(results: list[Result], asked: int, output: Path) -> Result:
    """Write best.pt and run.json of all rounds so far; returns what the latter holds."""
    done = [one for one in results if one["status"] == "done"]
    kept = sum(helped(one) for one in done)
    best = _folder(output, max(kept, 1)) / BEST
    checkpoints = {}
    if done and best.is_file():
        with written(output / BEST) as temporary:
            shutil.copyfile(best, temporary)
        checkpoints["best"] = str(output / BEST)
    checkpoints |= {name: path for name, path in results[-1]["checkpoints"].items() if name == "last"}
    shown = results[max(kept, 1) - 1]
    summary = {
        **shown,
        "verdict": _verdict(results, kept, asked),
        "checkpoints": checkpoints,
        **{name: results[0][name] for name in ("config", "init_sha256")},
        "status": results[-1]["status"],
        "kept": kept,
        "rounds": results,
    }
    return training.write_json(output / RESULT, summary)


def _verdict(results: list[Result], kept: int, asked: int) -> str:
    """That of the last round that was kept, and how it ended."""
    last, number = results[-1], len(results)
    if last["status"] == "interrupted":
        return f"round {number} of {asked}: {last['verdict']}"
    line = f"round {max(kept, 1)} of {asked}: {results[max(kept, 1) - 1]['verdict']}"
    if kept == number:
        return line
    stays = f"{BEST} is that of round {kept}" if kept else f"{BEST} has the weights of the start"
    return f"{line}; nothing shows that round {number} helped, so no other follows: {stays}"
