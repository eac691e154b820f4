"""`--config FILE`: reads flags from a YAML, TOML or JSON file, or from the run.json of a run to repeat.

    # byol.yaml
    data: [recordings/, video.mp4]
    steps: 500
    batch-size: 16

The keys are the names of the flags. Flags on the command line override the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from streamseg import plugins
from streamseg.cli.help import Option
from streamseg.cli.parameters import Auto
from streamseg.errors import StreamsegError
from streamseg.text import from_json

NOT_IN_A_FILE = ("config", "help", "debug")
"""Flags that a file cannot set."""


def option() -> Option:
    """Return the flag `--config`."""
    return Option(
        ["--config"],
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=use_as_defaults,
        metavar="FILE",
        help="Read flags from a .yaml, .toml or .json file, or from the run.json of a run to repeat. Flags on the "
        "command line override it.",
    )


def use_as_defaults(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Make the values in the file `path` the defaults of the command's flags (callback of an eager option)."""
    if path is not None:
        flags = flags_of(path, ctx.command.name or "", ctx.command.params)
        ctx.default_map = {**(ctx.default_map or {}), **flags}


def flags_of(path: Path, method: str, params: Iterable[click.Parameter]) -> dict[str, Any]:
    """Return {name of the parameter: value as a user would type it} for the flags in the file.

    Raises StreamsegError if the file cannot be read, belongs to another method or command, or has an unknown flag or no
    value.
    """
    content = _read(path)
    other = content.get("method", method)
    if other != method:
        raise StreamsegError(
            f"{str(path)!r} is of a run of {other}, not of {method}", f"streamseg train {other} --config {path}"
        )
    if "config" in content:  # a run.json, which also holds the results of the run
        parts = content["config"]
        if not isinstance(parts, Mapping) or not {"settings", "options"} <= parts.keys():
            raise StreamsegError(f"{str(path)!r} does not hold the flags of a run", "give a run.json of this version")
        known = _by_name(params)
        values = {**parts["settings"], **parts["options"]}
        # a file of another version may have other flags: they are ignored
        given = {name: _auto_as_word(known[name], value) for name, value in values.items() if name in known}
    elif "settings" in content:  # a run.json of `streamseg run`, or the summary.json of a batch
        raise StreamsegError(f"{str(path)!r} is of masks, not of training", "give the run.json of a training run")
    else:
        given = {name: value for name, value in content.items() if name != "method"}
    return checked_flags(repr(str(path)), given, params)


def _by_name(params: Iterable[click.Parameter]) -> dict[str, click.Parameter]:
    """Return the parameters by their long flags without dashes, with "_" for "-"."""
    by_name: dict[str, click.Parameter] = {}
    for param in params:
        if isinstance(param, click.Option) and param.name not in NOT_IN_A_FILE:
            by_name |= {flag.lstrip("-").replace("-", "_"): param for flag in param.opts if flag.startswith("--")}
    return by_name


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise StreamsegError(f"{str(path)!r} cannot be read: {problem.strerror}", "give a file of flags") from problem
    kind = path.suffix.lower()
    try:
        if kind == ".toml":
            content: Any = tomllib.loads(data.decode("utf-8"))
        elif kind in (".yaml", ".yml"):
            import yaml

            content = yaml.safe_load(data) or {}
        elif kind == ".json":
            content = from_json(data)
        else:
            raise StreamsegError(
                f"{str(path)!r} is not a file of flags",
                "give one that ends in .yaml, .yml, .toml or .json, or a run.json",
            )
    except StreamsegError:
        raise
    except Exception as problem:  # three parsers, each with errors of its own
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise StreamsegError(f"{str(path)!r} cannot be read: {first}", "correct the file") from problem
    if not isinstance(content, dict):
        raise StreamsegError(f"{str(path)!r} holds no names and values", "write lines such as  steps: 500")
    return content


def checked_flags(
    where: str, given: Mapping[str, Any], params: Iterable[click.Parameter], unknown: type[Exception] = StreamsegError
) -> dict[str, Any]:
    """Return {name of the parameter: value as a user would type it} for the flags in `given`.

    where: the name of the source of the flags, for errors. Raises StreamsegError for a flag without a value, and
    `unknown`, with one text, for an unknown flag.
    """
    known = _by_name(params)
    checked: dict[str, Any] = {}
    for key, value in given.items():
        name = str(key).replace("-", "_")
        if name not in known:
            message = f"{where} has {key!r}, which is not a flag of this method"
            hint = plugins.did_you_mean(name.replace("_", "-"), [flag.replace("_", "-") for flag in known])
            raise StreamsegError(message, hint) if unknown is StreamsegError else unknown(f"{message}: {hint}")
        param = known[name]
        if value is None or isinstance(value, Mapping):
            raise StreamsegError(f"{key!r} in {where} has no value", "give one, or remove it")
        checked[param.name or name] = _as_typed(param, value)
    return checked


def as_shown(param: click.Parameter, value: Any) -> Any:
    """Return the value of a run's setting as a user would type it."""
    return _as_typed(param, _auto_as_word(param, value))


def _auto_as_word(param: click.Parameter, value: Any) -> Any:
    """Return the word, such as auto, if `value` is the number that stands for it; else `value`."""
    if isinstance(param.type, Auto) and not isinstance(value, str) and value == param.type.value:
        return param.type.word
    return value


def _as_typed(param: click.Parameter, value: Any) -> Any:
    """Return `value` as a user would type it, so that click checks it as it checks the command line."""
    if param.multiple:
        return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return (":" if param.name == "gap" else ",").join(map(str, value))
    return str(value)
