"""The command `streamseg`: parses, calls, prints, nothing else. Heavy imports happen inside commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from streamseg import __version__
from streamseg.console import LazyGroup, behaviour_options, model_options, print_json, run_command


@click.group(
    cls=LazyGroup,
    lazy={"train": "train.cli:group", "export": "export.cli:group", "probe": "train.probe_cli:probe"},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="streamseg")
def group() -> None:
    """Object masks for video and RGB-D streams, without labels, in real time.

    \b
    streamseg run rgbd_dataset_freiburg1_desk/   masks over a recording
    streamseg run 0 --show                       live, from a camera
    streamseg doctor                             what this machine has
    """


def main() -> None:
    """The console script."""
    run_command(group, "streamseg")


def _k(ctx: click.Context, param: click.Parameter, value: str) -> int:
    if value == "auto":
        return 0
    if not value.isdecimal() or not 1 <= int(value) <= 254:
        raise click.BadParameter(f"{value!r} is neither auto nor a number from 1 to 254", ctx, param)
    return int(value)


def _k_range(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+):(\d+)", value)
    if not match or not 1 <= int(match[1]) <= int(match[2]) <= 64:
        raise click.BadParameter(f"{value!r} is no range LOW:HIGH within 1:64", ctx, param)
    return int(match[1]), int(match[2])


def _save(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    from streamseg import plugins, sinks

    known = {name for name in sinks.kinds() if name != "window"}
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r}: {plugins.did_you_mean(name, known)}", ctx, param)
    return names


def _intrinsics(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    from streamseg.frame import Intrinsics

    try:
        fx, fy, cx, cy = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not FX,FY,CX,CY in pixels", ctx, param) from None
    return Intrinsics(fx, fy, cx, cy)


def _default_name(source: str) -> str:
    """A folder name for a source; an address may hold a password, and a drive letter is no kind."""
    return "stream" if "://" in source else Path(source.rpartition(":")[2]).resolve().stem or "run"


@group.command()
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results. Default: out/NAME; with --show alone nothing is written.",
)
@click.option(
    "--save",
    callback=_save,
    default="overlay,labels",
    show_default=True,
    metavar="KIND[,KIND]",
    help="What is written: overlay, labels, npz, coco, ytvis, jsonl.",
)
@click.option("--show", is_flag=True, help="A live window; q stops.")
@model_options
@click.option(
    "--clustering",
    type=click.Choice(["online", "per-frame"]),
    default="online",
    show_default=True,
    help="One codebook for the session, or cold K-Means on every frame with ids matched afterwards.",
)
@click.option("--k", callback=_k, default="auto", show_default=True, metavar="auto|N", help="Number of segments.")
@click.option(
    "--k-range",
    callback=_k_range,
    default="2:10",
    show_default=True,
    metavar="LOW:HIGH",
    help="Where --k auto looks for the knee.",
)
@click.option("--pca", type=click.IntRange(0), default=0, metavar="N", help="Reduce features to N components; 0 = off.")
@click.option(
    "--position",
    type=click.FloatRange(0),
    default=0.0,
    metavar="W",
    help="Weight of the cell's place in the clustering.",
)
@click.option(
    "--depth", type=click.FloatRange(0), default=0.0, metavar="W", help="Weight of the cell's depth in the clustering."
)
@click.option("--edges/--no-edges", default=True, show_default=True, help="Borders follow the image and the depth.")
@click.option(
    "--depth-scale", type=click.FloatRange(0, min_open=True), metavar="UNITS", help="Depth units per metre (TUM 5000)."
)
@click.option("--intrinsics", callback=_intrinsics, metavar="FX,FY,CX,CY", help="Of the colour camera, in pixels.")
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Take each N-th frame.")
@click.option("--max-frames", type=click.IntRange(1), metavar="N", help="Stop after N frames.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1),
    default=0.5,
    metavar="0..1",
    show_default=True,
    help="Opacity of the overlay.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Same seed, same masks.")
@click.option("--overwrite", is_flag=True, help="Replace the run that the output folder holds.")
@behaviour_options
@click.pass_context
def run(ctx: click.Context, source: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Segment SOURCE: a recording, a video, a folder of images, a camera number or an rtsp:// address.

    A path is recognized by its content; KIND:PATH forces one of: camera, co3d, davis, images, kinect, rgbd, tum, video.
    """
    from streamseg import job, progress
    from streamseg.backbones import Spec
    from streamseg.modes import Settings
    from streamseg.sources import Options

    take = given.pop
    spec = Spec(take("model"), take("weights"), take("layers"), take("facet"))
    options = Options(intrinsics=take("intrinsics"), depth_scale=take("depth_scale"))
    names = ("clustering", "k", "k_range", "pca", "position", "depth", "edges", "seed")
    settings = Settings(**{name: take(name) for name in names})
    output = take("output")
    if output is None and not given["show"]:
        output = Path("out") / _default_name(source)
    with progress.Display(quiet) as display:
        result = job.run(
            job.Job(source=source, output=output, spec=spec, options=options, settings=settings, **given),
            log=display.log,
            begin=display.begin,
            progress=display.update,
        )
    if as_json:
        print_json(result)
    elif not quiet:
        progress.print_summary(result)
    if result["status"] == "interrupted":
        ctx.exit(130)


@group.command()
@behaviour_options
def doctor(as_json: bool, quiet: bool) -> None:
    """What this machine has: versions, devices, runtimes, and what is missing."""
    from streamseg import doctor as check

    report = check.examine()
    if as_json:
        print_json(report)
    elif not quiet:
        check.print_report(report)


@group.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@behaviour_options
def info(file: Path, as_json: bool, quiet: bool) -> None:
    """What a model FILE is: a checkpoint, an ONNX or OpenVINO network, a TensorRT engine, or weights."""
    from streamseg import info as look

    report = look.examine(file)
    if as_json:
        print_json(report)
    elif not quiet:
        look.print_report(report)


if __name__ == "__main__":
    main()
