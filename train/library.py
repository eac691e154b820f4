"""`streamseg.train`: the Python function for `streamseg train METHOD`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from streamseg import plugins
from streamseg.errors import StreamsegError


@dataclass(frozen=True)
class Trained:
    """best: the chosen checkpoint; None if nothing could choose one. last: the last checkpoint; None if no step
    succeeded. metrics: the content of run.json: verdict, steps, loss, probe, report and more."""

    best: Path | None
    last: Path | None
    metrics: dict[str, Any]


def train(
    method: str,
    data: str | Path | list[str | Path] | tuple[str | Path, ...] = (),
    *,
    output: str | Path | None = None,
    config: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> Trained:
    """Fine-tune a network on recordings, without labels.

    method: a file of `train/methods`, such as "selftrain" or "byol". data: recordings, or folders of them. output:
    folder for checkpoints and figures, "out/METHOD" by default. config: a file of flags, or the run.json of a run to
    repeat. settings: any flag of `streamseg train METHOD` by its name with "_" for "-", e.g. steps=150,
    val=["davis/"], batch_size=16, logger="wandb".

    Raises StreamsegError for values that the command line refuses, TypeError for an unknown setting. With several
    devices of one machine, Lightning starts the calling script again: put the call below `if __name__ == "__main__"`.
    """
    from train import methods
    from train.commands.config_file import checked_flags, flags_of
    from train.commands.method import command, run_training

    method_names = plugins.describe(methods.__file__)
    if method not in method_names:
        raise StreamsegError(f"no method is called {method!r}", plugins.did_you_mean(method, method_names))
    module = plugins.load(methods.__name__, method)
    train_command = command(method, module)
    given: dict[str, Any] = {"resume": resume, "overwrite": overwrite, **settings}
    if data:
        given["data"] = [str(source) for source in data] if isinstance(data, list | tuple) else str(data)
    if output is not None:
        given["output"] = str(output)
    flags = flags_of(Path(config), method, train_command.params) if config is not None else {}
    flags |= checked_flags("train()", given, train_command.params, TypeError)
    try:
        ctx = train_command.make_context(method, [], default_map=flags)
        with ctx:
            result = run_training(ctx, method, module, quiet)
    except click.UsageError as problem:
        raise StreamsegError(problem.format_message(), f"streamseg train {method} --help") from problem
    paths = {name: Path(path) for name, path in result.get("checkpoints", {}).items()}
    return Trained(paths.get("best"), paths.get("last"), result)
