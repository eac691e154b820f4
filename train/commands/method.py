"""One click command for each method: the shared flags, the method's own, and what happens when it is called."""

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
from streamseg.flags import flag_of
from streamseg.text import terminal
from train.commands import config_file
from train.data.recordings import absolute, place_of
from train.options import click_options, paths_in
from train.settings import Settings

FREE_TO_CHANGE = frozenset(
    (
        *("data", "devices", "nodes", "strategy", "workers", "cache"),
        *("save_every", "save_period", "save_top_k", "logger", "pictures"),
        *("val", "val_classes", "probe", "probe_every"),
    )
)
"""What a resumed run may do otherwise: it changes speed and notes, not the weights. Data may have moved: `run` sees
that they are the same. And there may be more steps."""
NOT_OF_A_RUN = ("as_json", "quiet")


def command(name: str, module: ModuleType) -> click.Command:
    """The command that trains the method of `module`; its docstring's first line describes it."""
    about = (module.__doc__ or "").strip()

    @click.pass_context
    def train(ctx: click.Context, as_json: bool, quiet: bool, **_: Any) -> None:
        from train.distributed import is_first

        result = started(ctx, name, module, quiet)
        if is_first():
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
    built = Command(name, callback=train, params=params, help=about, short_help=about.splitlines()[0])
    return behaviour_options(built)


def started(ctx: click.Context, name: str, module: ModuleType, quiet: bool) -> dict[str, Any]:
    """Run what the flags in `ctx` say; the summary of the run."""
    from train.callbacks.display import Display
    from train.commands import rounds
    from train.distributed import is_first
    from train.folder import OutputFolder

    given = {key: value for key, value in ctx.params.items() if key not in NOT_OF_A_RUN}
    folder, resume, overwrite = given.pop("output") or Path("out") / name, given.pop("resume"), given.pop("overwrite")
    if resume and overwrite:
        raise click.UsageError("--resume continues the run, --overwrite replaces it: give one of them.")
    explicit = {key for key in given if ctx.get_parameter_source(key) not in (ParameterSource.DEFAULT, None)}
    settings, options = _config(module, name, folder, resume, given, explicit, ctx.command.params)
    place = OutputFolder(folder, resume, overwrite, _inputs(settings, options))
    return rounds.run(name, module.METHOD, settings, options, place, Display(quiet or not is_first()))


def _config(
    module: ModuleType,
    name: str,
    folder: Path,
    resume: bool,
    given: dict[str, Any],
    explicit: set[str],
    params: Sequence[click.Parameter],
) -> tuple[Settings, Any]:
    """Settings and options as given; of a resumed run as they were, and what is given must not contradict them."""
    if not resume:
        if not given["data"]:
            raise click.UsageError("Missing option '--data'.")
        return made(Settings, whole_paths(given)), made(module.Options, given)
    from streamseg.backbones import checkpoint
    from train.distributed import is_first
    from train.folder import OutputFolder, checked

    last = checked(OutputFolder(folder, resume), is_first())
    assert last is not None  # else it raises
    header = checkpoint.read_header(last)
    if header["method"] != name:
        raise StreamsegError(
            f"{str(folder)!r} holds a run of {header['method']}, not of {name}",
            f"streamseg train {header['method']} --resume -o {folder}",
        )
    was = {**header["config"]["settings"], **header["config"]["options"]}
    now = was | {key: value for key, value in whole_paths(given).items() if key in explicit & FREE_TO_CHANGE}
    alone = module.METHOD.rounds(made(module.Options, was)) == 1  # else later rounds have started from these steps
    if alone and "steps" in explicit and given["steps"] > (was["steps"] or 0):
        now["steps"] = given["steps"]
    for key in explicit & was.keys() - FREE_TO_CHANGE:
        if _plain(given[key]) != _plain(now[key]):
            flag, param = flag_of(key), next(one for one in params if one.name == key)
            before, asked = (config_file.as_shown(param, value) for value in (was[key], given[key]))
            raise StreamsegError(
                f"the run was started with {flag} {before}, and cannot be resumed with {asked}",
                f"leave {flag} out, or start a new run with another -o",
            )
    return made(Settings, now), made(module.Options, now)


def _inputs(settings: Settings, options: Any) -> tuple[tuple[str, str], ...]:
    """(flag, path) of what the run reads, as far as it is here; what --config names has been read by now."""
    found = [(flag, place_of(value)) for flag, value in (*paths_in(settings), *paths_in(options)) if value]
    return tuple((flag, path) for flag, path in found if os.path.exists(path))


def whole_paths(given: dict[str, Any]) -> dict[str, Any]:
    """With whole paths, so that the run can go on from another working folder. Raises UsageError for empty ones."""
    for name in ("data", "val", "backbone", "init"):
        if given[name] == "" or "" in tuple(given[name]):
            raise click.UsageError(f"Option {flag_of(name)!r} is empty: give a name or a path.")
    whole = {name: tuple(map(absolute, given[name])) for name in ("data", "val")}
    files = {name: os.path.abspath(given[name]) for name in ("backbone", "init") if "." in given[name]}
    files |= {name: os.path.abspath(given[name]) for name in ("val_classes",) if given[name]}
    return given | whole | {name: path for name, path in files.items() if os.path.exists(path)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def made(cls: type, values: dict[str, Any]) -> Any:
    def value(field: dataclasses.Field) -> Any:
        found = values.get(field.name, field.default)  # a run of an older version does not know every flag
        return tuple(found) if isinstance(found, list) else found

    return cls(**{field.name: value(field) for field in dataclasses.fields(cls)})


def _print_summary(result: dict[str, Any]) -> None:
    """The outcome, its first line first."""
    from rich.table import Table

    console = terminal.console()
    console.print(result["verdict"], style="bold")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    losses = result["loss"]
    table.add_row("steps", f"{result['steps']} ({result['status']})")
    table.add_row("loss", f"{losses['first']:.4f} to {losses['last']:.4f}" if losses else "-")
    table.add_row("speed", f"{result['samples_per_second']:.1f} samples/s")
    for number, one in enumerate(result.get("rounds", ()), 1):
        table.add_row(f"round {number}", one["verdict"])
    for name, figures in result["probe"].items():
        shown = ", ".join(f"{key.removeprefix('iou_')} {value:.3f}" for key, value in figures.items())
        table.add_row(name, shown)
    for name, one in result["report"].items():
        low_high = one["interval"]
        change = f"{one['difference']:+.3f}" + (" [{:+.3f}, {:+.3f}]".format(*low_high) if low_high else "")
        table.add_row(f"report {name}", f"{one['before']:.3f} to {one['after']:.3f} ({change})")
    table.add_row("checkpoints", ", ".join(result["checkpoints"].values()))
    console.print(table)
