"""The click command of a training method: its flags, and the function that runs it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from click.core import ParameterSource

from streamseg.cli.help import Command, Option
from streamseg.cli.options import behaviour_options, conclude
from streamseg.errors import StreamsegError
from streamseg.text import terminal
from streamseg.text.flags import flag_of
from train.commands import config_file
from train.data.recordings import absolute, real_path_of
from train.options import click_options, paths_in
from train.settings import Settings

CHANGEABLE_ON_RESUME = frozenset(
    (
        *("data", "devices", "nodes", "strategy", "workers", "cache"),
        *("save_every", "save_period", "save_top_k", "logger", "pictures"),
        *("val", "val_classes", "probe", "probe_every"),
    )
)
"""Flags that may differ when a run is resumed, because they do not change the weights. Recordings may have moved:
`train.run` checks that they are the same. `steps` may also be raised."""
OUTPUT_FLAGS = ("as_json", "quiet")
"""Flags of the command that are not settings of the run."""


def command(name: str, module: ModuleType) -> click.Command:
    """Return the command that trains the method in `module`, whose docstring is the help text."""
    about = (module.__doc__ or "").strip()

    @click.pass_context
    def train(ctx: click.Context, as_json: bool, quiet: bool, **_: Any) -> None:
        from train.distributed import is_rank_zero

        result = run_training(ctx, name, module, quiet)
        if is_rank_zero():
            conclude(ctx, result, as_json, quiet, _print_summary)

    params: list[click.Parameter] = [
        *click_options(module.Options, "Method"),
        config_file.option(),
        Option(["-o", "--output"], type=click.Path(path_type=Path, file_okay=False),
                     show_default=f"out/{name}", help="Output folder for checkpoints and figures."),
        Option(["--resume"], is_flag=True, help="Resume the run in the output folder, with its flags."),
        Option(["--overwrite"], is_flag=True, help="Replace the run in the output folder."),
        *click_options(Settings, "Training"),
    ]  # fmt: skip
    return behaviour_options(Command(name, callback=train, params=params, help=about, short_help=about.splitlines()[0]))


def run_training(ctx: click.Context, name: str, module: ModuleType, quiet: bool) -> dict[str, Any]:
    """Run the training that the flags in `ctx` describe, and return its summary."""
    from train.callbacks.display import Display
    from train.commands import rounds
    from train.distributed import is_rank_zero
    from train.folder import RunFolder

    given = {key: value for key, value in ctx.params.items() if key not in OUTPUT_FLAGS}
    output, resume, overwrite = given.pop("output") or Path("out") / name, given.pop("resume"), given.pop("overwrite")
    if resume and overwrite:
        raise click.UsageError("--resume continues the run, --overwrite replaces it: give one of them.")
    if resume:
        explicit = {key for key in given if ctx.get_parameter_source(key) not in (ParameterSource.DEFAULT, None)}
        settings, options = _resumed_config(module, name, output, given, explicit, ctx.command.params)
    else:
        settings, options = new_config(module, given)
    folder = RunFolder(output, resume, overwrite, _inputs(settings, options))
    return rounds.run(name, module.METHOD, settings, options, folder, Display(quiet or not is_rank_zero()))


def new_config(module: ModuleType, given: dict[str, Any]) -> tuple[Settings, Any]:
    """Return the settings and the options of a new run. given: the flags by name."""
    if not given["data"]:
        raise click.UsageError("Missing option '--data'.")
    return _dataclass_from(Settings, _with_absolute_paths(given)), _dataclass_from(module.Options, given)


def _resumed_config(
    module: ModuleType,
    name: str,
    output: Path,
    given: dict[str, Any],
    explicit: set[str],
    params: Sequence[click.Parameter],
) -> tuple[Settings, Any]:
    """Return the settings and the options of the run in `output`: those in its checkpoint.

    given: the flags by name. Raises StreamsegError if a flag in `explicit`, the names of those that the user gave,
    contradicts the checkpoint.
    """
    from streamseg.backbones import checkpoint
    from train.distributed import is_rank_zero
    from train.folder import RunFolder, checkpoint_to_resume

    last = checkpoint_to_resume(RunFolder(output, resume=True), is_rank_zero())
    assert last is not None  # with resume, the function raises if there is no checkpoint
    header = checkpoint.read_header(last)
    if header["method"] != name:
        raise StreamsegError(
            f"{str(output)!r} holds a run of {header['method']}, not of {name}",
            f"streamseg train {header['method']} --resume -o {output}",
        )
    original = {**header["config"]["settings"], **header["config"]["options"]}
    absolute_paths = _with_absolute_paths(given)
    resumed = original | {key: absolute_paths[key] for key in explicit & CHANGEABLE_ON_RESUME}
    # with several rounds, later rounds have started from the weights after this number of steps
    single_round = module.METHOD.rounds(_dataclass_from(module.Options, original)) == 1
    if single_round and "steps" in explicit and given["steps"] > (original["steps"] or 0):
        resumed["steps"] = given["steps"]
    for key in original:  # in the order of the flags, so that the same command names the same one
        if key in explicit - CHANGEABLE_ON_RESUME and _as_list(given[key]) != _as_list(resumed[key]):
            flag, param = flag_of(key), next(param for param in params if param.name == key)
            before, asked = (config_file.as_shown(param, value) for value in (original[key], given[key]))
            raise StreamsegError(
                f"the run was started {f'with {flag} {before}' if before else f'without {flag}'}, "
                f"and cannot be resumed with {asked or 'another value'}",
                f"leave {flag} out, or start a new run with another -o",
            )
    return _dataclass_from(Settings, resumed), _dataclass_from(module.Options, resumed)


def _inputs(settings: Settings, options: Any) -> tuple[tuple[str, str], ...]:
    """Return (flag, path) of the existing files and folders that the run reads, except the file of --config."""
    flags = (*paths_in(settings), *paths_in(options))
    paths = [(flag, real_path_of(value)) for flag, value in flags if value]
    return tuple((flag, path) for flag, path in paths if os.path.exists(path))


def _with_absolute_paths(given: dict[str, Any]) -> dict[str, Any]:
    """Return the flags with absolute paths, so that the run can be resumed from another working folder.

    Raises UsageError for an empty path.
    """
    for name in ("data", "val", "backbone", "init"):
        if given[name] == "" or "" in tuple(given[name]):
            raise click.UsageError(f"Option {flag_of(name)!r} is empty: give a name or a path.")
    sources = {name: tuple(map(absolute, given[name])) for name in ("data", "val")}
    # a name without a dot is that of a network
    files = {name: os.path.abspath(given[name]) for name in ("backbone", "init") if "." in given[name]}
    if given["val_classes"]:
        files["val_classes"] = os.path.abspath(given["val_classes"])
    return given | sources | {name: path for name, path in files.items() if os.path.exists(path)}


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _dataclass_from(cls: type, values: dict[str, Any]) -> Any:
    """Return an instance of the dataclass `cls` with its fields taken from `values`.

    A missing field, as in the run of an older version, gets its default. Lists, which a file can hold in place of
    tuples, become tuples.
    """

    def value(field: dataclasses.Field) -> Any:
        given = values.get(field.name, field.default)
        return tuple(given) if isinstance(given, list) else given

    return cls(**{field.name: value(field) for field in dataclasses.fields(cls)})


def _print_summary(result: dict[str, Any]) -> None:
    """Print the result of a run, with the verdict in the first line."""
    from rich.table import Table

    console = terminal.console()
    console.print(result["verdict"], style="bold")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    losses = result["loss"]
    table.add_row("steps", f"{result['steps']} ({result['status']})")
    table.add_row("loss", f"{losses['first']:.4f} to {losses['last']:.4f}" if losses else "-")
    table.add_row("speed", f"{result['samples_per_second']:.1f} samples/s")
    for number, round_result in enumerate(result.get("rounds", ()), 1):
        table.add_row(f"round {number}", round_result["verdict"])
    for name, figures in result["probe"].items():
        shown = ", ".join(f"{key.removeprefix('iou_')} {value:.3f}" for key, value in figures.items())
        table.add_row(name, shown)
    from train.reports.verdict import format_difference

    for name, comparison in result["report"].items():
        before, after = comparison["before"], comparison["after"]
        table.add_row(f"report {name}", f"{before:.3f} to {after:.3f} ({format_difference(comparison)})")
    table.add_row("checkpoints", ", ".join(result["checkpoints"].values()))
    console.print(table)
