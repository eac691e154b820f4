"""Rounds of training: each round is a run that starts from the network which the round before has deployed.

A round is kept if trained weights went into its best.pt (see `reports.deploying`), none of the figures that chose them
fell, and the comparison with the start does not say that something became worse. The first round that is not kept ends
the training. The runs write to OUT/round1, OUT/round2 ...; OUT/best.pt is a copy of that of the last round that was
kept.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamseg.backbones.checkpoint import BEST, LAST
from streamseg.errors import StreamsegError
from streamseg.files import MANIFEST, written
from train import run as training
from train.callbacks.display import Display
from train.description import write_json
from train.distributed import trainer_devices
from train.folder import ROUND, RunFolder
from train.method import Method
from train.reports.candidates import COMPARED_FIGURES
from train.reports.verdict import fell
from train.settings import Settings

Result = dict[str, Any]


def run(
    name: str, method_class: type[Method], settings: Settings, options: Any, folder: RunFolder, display: Display
) -> dict[str, Any]:
    """Run `train.run.run` once for each round of the method.

    Returns the summary of the last round that was kept, with the summaries of all rounds in "rounds". Raises
    StreamsegError; the rounds completed before remain.
    """
    count = method_class.rounds(options)
    if count == 1 or (folder.resume and (folder.path / LAST).is_file()):  # the file is that of a run without rounds
        return training.run(name, method_class, settings, options, folder, display)
    _require_one_device(settings)
    results: list[Result] = []
    for number in range(1, count + 1):
        display.say(f"round {number} of {count}")
        config = (settings, options) if number == 1 else _round_config(settings, options, folder.path, number)
        round_folder = _round_folder(folder, number)
        result = _finished_result(round_folder.path) if folder.resume else None
        if result is None:
            result = training.run(name, method_class, *config, round_folder, display)
        results.append(result)
        summary = _summary(results, count, folder.path)
        display.say(f"round {number}: {result['verdict']}")
        if result["status"] == "interrupted" or not is_kept(result):
            break
    return summary


def is_kept(result: Result) -> bool:
    """Return whether the network of a round is kept. result: the summary of the round."""
    before, after = (result["probe"].get(name, {}) for name in ("frozen", "best"))
    any_fell = any(after[name] < before[name] for name in COMPARED_FIGURES if name in before.keys() & after.keys())
    return result["average"] > 0 and not any_fell and not fell(result["report"])


def _require_one_device(settings: Settings) -> None:
    hardware = trainer_devices(settings)
    if hardware["devices"] * hardware["num_nodes"] > 1:
        raise StreamsegError(
            "several rounds need one device: processes that train together end with a run",
            "give --devices cpu or cuda:1, or train round by round: --rounds 1, then --backbone OUT/best.pt -o NEXT",
        )


def _round_path(output: Path, number: int) -> Path:
    return output / f"{ROUND}{number}"


def _round_folder(whole: RunFolder, number: int) -> RunFolder:
    """Return the output folder of a round.

    From the second round on the whole run has begun, so that it is resumed rather than started.
    """
    path = _round_path(whole.path, number)
    if number > 1:
        whole = RunFolder(whole.path, resume=True)
    resume = whole.resume and (path / LAST).is_file()
    return RunFolder(path, resume, whole.overwrite, parent=whole)


def _round_config(settings: Settings, options: Any, output: Path, number: int) -> tuple[Settings, Any]:
    """Return the settings and options of round `number`, which starts from the checkpoint of the previous round."""
    before = _round_path(output, number - 1)
    start = next(path for path in (before / BEST, before / LAST) if path.is_file())
    settings = replace(settings, backbone=str(start.absolute()), init="imagenet", layers=(), facet="")
    return settings, replace(options, rounds=1)


def _finished_result(output: Path) -> Result | None:
    """Return the summary of a round that was completed before the run was resumed, or None."""
    try:
        result: Result = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return result if result["status"] == "done" else None


def _summary(results: list[Result], count: int, output: Path) -> Result:
    """Write best.pt and run.json of all rounds up to now, and return the content of run.json."""
    done = [result for result in results if result["status"] == "done"]
    kept = sum(is_kept(result) for result in done)
    best = _round_path(output, max(kept, 1)) / BEST
    checkpoints = {}
    if done and best.is_file():
        with written(output / BEST) as temporary:
            shutil.copyfile(best, temporary)
        checkpoints["best"] = str(output / BEST)
    checkpoints |= {name: path for name, path in results[-1]["checkpoints"].items() if name == "last"}
    chosen = results[max(kept, 1) - 1]
    summary = {
        **chosen,
        "verdict": _verdict(results, kept, count),
        "checkpoints": checkpoints,
        **{name: results[0][name] for name in ("config", "init_sha256")},
        "status": results[-1]["status"],
        "kept": kept,
        "rounds": results,
    }
    return write_json(output / MANIFEST, summary)


def _verdict(results: list[Result], kept: int, count: int) -> str:
    """Return the verdict of the last round that was kept, and how the training ended."""
    last, number = results[-1], len(results)
    if last["status"] == "interrupted":
        return f"round {number} of {count}: {last['verdict']}"
    line = f"round {max(kept, 1)} of {count}: {results[max(kept, 1) - 1]['verdict']}"
    if kept == number:
        return line
    stays = f"{BEST} is that of round {kept}" if kept else f"{BEST} has the weights of the start"
    return f"{line}; nothing shows that round {number} helped, so no other follows: {stays}"
