"""The command `streamseg bench`: its flags, the call, and what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from streamseg.cli.help import Command, option
from streamseg.cli.options import (
    behaviour_options,
    clustering_options,
    known_names,
    model_options,
    print_json,
    refuse_unused_flags,
    source_options,
)
from streamseg.text import terminal


def _engines(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    from streamseg.backbones import ENGINES

    return () if value.strip(", ") == "auto" else known_names(ctx, param, value, ENGINES)


def _sinks(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    from streamseg import sinks

    return known_names(ctx, param, value, set(sinks.kinds()) - {"window"})


@click.command(cls=Command)
@click.argument("source", required=False)
@option(
    "--frames",
    type=click.IntRange(0),
    default=0,
    show_default="the recording once",
    metavar="N",
    help="Number of frames; a shorter recording is repeated.",
)
@option(
    "--turns",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Turns per engine, in rotation.",
)
@option(
    "--engines",
    callback=_engines,
    default="auto",
    show_default=True,
    metavar="auto|NAME[,NAME]",
    help="Engines to compare. auto = every engine and precision of this machine, or the one that --engine, --device or "
    "--precision names.",
)
@option(
    "--against",
    type=click.Choice(["report"]),
    default=None,
    help="Also run the method of the report as a plain script, and print ratios.  [default: none]",
)
@option(
    "--against-weights",
    default="",
    metavar="FILE",
    show_default="--weights, if --model is resnet18",
    help="ResNet-18 weights of the plain script.",
)
@option("--batch", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N", help="As in `run`.")
@option(
    "--save",
    callback=_sinks,
    default="overlay",
    show_default=True,
    metavar="KIND[,KIND]",
    help="What to write, to a temporary folder.",
)
@option(
    "--masks",
    type=click.Choice(["regions", "objects"]),
    default=None,
    show_default="as in `run`; regions with --against",
    help="Masks to find and draw.",
)
@option(
    "--profile",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    metavar="TRACE.json",
    help="Profile one turn of one engine: print a table of stages by thread, and write a trace for ui.perfetto.dev.",
)
@model_options
@clustering_options
@source_options
@behaviour_options
@click.pass_context
def bench(ctx: click.Context, as_json: bool, quiet: bool, profile: Path | None, **given: Any) -> None:
    """Benchmark the engines on SOURCE, a recording: frames/s, latency by stage, processor time and memory.

    Without SOURCE it renders a clip of drifting shapes, 640x480, as PNG files.
    """
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from streamseg.bench import runner
    from streamseg.bench.turn import turn_settings

    if profile:
        _require_one_turn(ctx, profile, given["engines"])
        given["engine"] = given["engines"][0] if given["engines"] else given["engine"]
    given["against"] = given["against"] or ""
    given["masks"] = given["masks"] or ("regions" if given["against"] else None)  # the plain script has regions only
    log = None if quiet else terminal.print_stderr
    with ExitStack() as stack:
        if given["source"] is None:
            given["source"] = runner.make_clip(stack.enter_context(TemporaryDirectory(prefix="streamseg-clip-")))
        benchmark = runner.Bench(**turn_settings(given))
        refuse_unused_flags(ctx, benchmark)
        if profile:
            from streamseg.bench.profile import profile as measure_profile

            result, show = measure_profile(benchmark.turn, profile) | {"machine": runner.machine()}, _print_profile
        else:
            result, show = runner.run(benchmark, log), _print
    if as_json:
        print_json(result)
    elif not quiet:
        show(result)


def _require_one_turn(ctx: click.Context, trace: Path, engines: Sequence[str]) -> None:
    """Check the flags beside --profile, and that the folder of its file exists. Raises click.UsageError."""
    for name in ("turns", "against"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE and ctx.params[name] != 1:
            raise click.UsageError(f"--profile is of one turn: leave --{name} out")
    if len(engines) > 1:
        raise click.UsageError(f"--profile is of one engine: give one of them: --engines {engines[0]}")
    if not trace.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(trace.parent)!r}", ctx, param_hint="--profile")


def _print_profile(result: dict[str, Any]) -> None:
    from rich.table import Table

    console, machine, latency = terminal.console(), result["machine"], result["latency_ms"]
    console.print(
        f"{result['source']}: {result['frames']} frames, {result['key_frames']} keyframes, "
        f"{result['fps']} frames/s, on {machine['cores']} cores of {machine['processor']}, load {machine['load']}"
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("thread", "stage", "calls", "p50", "p99", "wall/frame", "CPU/frame"):
        table.add_column(title, justify="left" if title in ("thread", "stage") else "right", no_wrap=True)
    for stage in result["stages"]:
        calls = f"{stage['calls']}", f"{stage['p50']:.2f} ms", f"{stage['p99']:.2f} ms"
        name = f"  {stage['stage']}" if stage["part"] else stage["stage"]
        table.add_row(stage["thread"], name, *calls, f"{stage['wall']:.2f} ms", f"{stage['cpu']:.2f} ms")
    table.add_row("elsewhere", "", "", "", "", "", f"{result['elsewhere_ms']:.2f} ms")
    cpu = f"{result['cpu_ms_per_frame']:.2f} ms"
    table.add_row("all", "", "", f"{latency['p50']:.2f} ms", f"{latency['p99']:.2f} ms", "", cpu)
    terminal.print_figures(console, table)


def _print(result: dict[str, Any]) -> None:
    from rich.table import Table

    machine = result["machine"]
    console = terminal.console()
    console.print(f"{result['source']} on {machine['cores']} cores of {machine['processor']}, {result['turns']} turns")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("", "frames/s", "latency p50", "p99", "network", "ratio", "CPU/frame", "peak", "speed", "CPU"):
        table.add_column(title, justify="right" if title else "left")
    for run in [*result["runs"], *filter(None, [result["against"]])]:
        latency, against = run["latency_ms"], run.get("against")
        table.add_row(
            run["name"],
            f"{run['fps']:.1f}",
            f"{latency['p50']:.1f} ms",
            f"{latency['p99']:.1f} ms",
            f"{run['network_ms']['p50']:.1f} ms" if "network_ms" in run else "",
            f"{run['labels_over_network']:.2f}" if "network_ms" in run else "",
            f"{run['cpu_ms_per_frame']:.0f} ms",
            f"{run['peak_mib']:.0f} MiB" if run["peak_mib"] else "",
            f"{against['speed']:.1f}x" if against else "",
            f"{against['cpu_time']:.1f}x" if against else "",
        )
    terminal.print_figures(console, table)
    for name, reason in result["left_out"].items():
        console.print(f"left out: {name}: {reason}")
