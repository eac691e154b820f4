"""`--config FILE`: flags of a run from a YAML, TOML or JSON file, or from the run.json of a run that is to be repeated.

    # byol.yaml
    data: [recordings/, video.mp4]
    steps: 500
    batch-size: 16

The keys are the flags' names. What stands on the command line goes first.
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


def option() -> Option:
    """The flag."""
    return Option(
        ["--config"],
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=take,
        metavar="FILE",
        help="Read flags from a .yaml, .toml or .json file, or from the run.json of a run to repeat. Flags on the "
        "command line override it.",
    )


def take(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """An eager option's callback: what `path` says becomes the defaults of the command's flags."""
    if path is not None:
        found = flags_of(path, ctx.command.name or "", ctx.command.params)
        ctx.default_map = {**(ctx.default_map or {}), **found}


def flags_of(path: Path, method: str, params: Iterable[click.Parameter]) -> dict[str, Any]:
    """{parameter's name: value as it is typed} of the file. Raises StreamsegError for what it cannot say."""
    content = _read(path)
    said = content.get("method", method)
    if said != method:
        raise StreamsegError(
            f"{str(path)!r} is of a run of {said}, not of {method}", f"streamseg train {said} --config {path}"
        )
    if "config" in content:  # run.json holds much else, of what came out
        parts = content["config"]
        if not isinstance(parts, Mapping) or not {"settings", "options"} <= parts.keys():
            raise StreamsegError(f"{str(path)!r} does not hold the flags of a run", "give a run.json of this version")
        known = _by_name(params)
        # a file of another version may know other flags
        given = {
            name: _word(known[name], value) for part in parts.values() for name, value in part.items() if name in known
        }
    else:
        given = {name: value for name, value in content.items() if name != "method"}
    return typed(repr(str(path)), given, params)


def _by_name(params: Iterable[click.Parameter]) -> dict[str, click.Parameter]:
    """The flags' long names, with _ for -: those that people type, and what the parameters are called."""
    found: dict[str, click.Parameter] = {}
    for param in params:
        if isinstance(param, click.Option) and param.name not in NOT_IN_A_FILE:
            found |= {flag.lstrip("-").replace("-", "_"): param for flag in param.opts if flag.startswith("--")}
    return found


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


def typed(
    where: str, given: Mapping[str, Any], params: Iterable[click.Parameter], unknown: type[Exception] = StreamsegError
) -> dict[str, Any]:
    """{parameter's name: value as it is typed}. where: that says so, for errors. Raises StreamsegError; `unknown`,
    with one text, for names that no flag has."""
    known = _by_name(params)
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = str(key).replace("-", "_")
        if name not in known:
            said = f"{where} has {key!r}, which is not a flag of this method"
            hint = plugins.did_you_mean(name.replace("_", "-"), [one.replace("_", "-") for one in known])
            raise StreamsegError(said, hint) if unknown is StreamsegError else unknown(f"{said}: {hint}")
        param = known[name]
        if value is None or isinstance(value, Mapping):
            raise StreamsegError(f"{key!r} in {where} has no value", "give one, or remove it")
        found[param.name or name] = _as_typed(param, value)
    return found


def as_shown(param: click.Parameter, value: Any) -> Any:
    """A value that a run had, as somebody would type it."""
    return _as_typed(param, _word(param, value))


def _word(param: click.Parameter, value: Any) -> Any:
    """A value that a run had; its word where it stands for one, which nobody types as a number."""
    stands = isinstance(param.type, Auto) and not isinstance(value, str) and value == param.type.value
    return param.type.word if stands else value  # type: ignore[attr-defined]


def _as_typed(param: click.Parameter, value: Any) -> Any:
    """`value` as somebody would type it, so that it is checked as if somebody had."""
    if param.multiple:
        return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return (":" if param.name == "gap" else ",").join(map(str, value))
    return str(value)
