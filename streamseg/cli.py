"""The command `streamseg`: parses, calls, prints, nothing else. Heavy imports happen inside commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamseg import __version__
from streamseg.console import (
    LazyGroup,
    behaviour_options,
    clustering_options,
    frames_options,
    model_options,
    print_json,
    quality_option,
    run_command,
    source_options,
)


@click.group(
    cls=LazyGroup,
    lazy={
        "train": "train.cli:group",
        "export": "export.cli:group",
        "probe": "train.probe_cli:probe",
        "eval": "streamseg.eval_cli:evaluate",
        "attention": "streamseg.attention_cli:attention",
        "bench": "streamseg.bench_cli:bench",
    },
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


def _save(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    from streamseg import plugins, sinks

    known = {name for name in sinks.kinds() if name != "window"}
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r}: {plugins.did_you_mean(name, known)}", ctx, param)
    return names


def _default_name(source: str) -> str:
    """A folder name for a source; an address may hold a password, and a drive letter is no kind."""
    from streamseg.sources import split_part

    path, _ = split_part(source.rpartition(":")[2])
    return "stream" if "://" in source else Path(path).resolve().stem or "run"


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
    help="What is written: overlay, labels, objects, panoptic, npz, coco, ytvis, jsonl. With objects or panoptic the "
    "overlay shows the objects.",
)
@click.option("--show", is_flag=True, help="A live window; q stops.")
@model_options
@clustering_options
@quality_option
@source_options
@frames_options
@click.option(
    "--batch",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Frames of a recording that the network takes in one call; more frames/s on a GPU.",
)
@click.option(
    "--policy",
    type=click.Choice(["latest", "all"]),
    default="latest",
    show_default=True,
    help="Of a live source that is too fast: drop what waits when the next frame comes, or let it wait.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1),
    default=0.5,
    metavar="0..1",
    show_default=True,
    help="Opacity of the overlay.",
)
@click.option("--overwrite", is_flag=True, help="Replace the run that the output folder holds.")
@behaviour_options
@click.pass_context
def run(ctx: click.Context, source: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Segment SOURCE: a recording, a video, a folder of images, a camera number or an rtsp:// address.

    A path is recognized by its content; KIND:PATH forces one of: camera, co3d, davis, images, kinect, rgbd, tum, video.
    """
    from streamseg import job, progress
    from streamseg.session import grouped

    output = given.pop("output")
    if output is None and not given["show"]:
        output = Path("out") / _default_name(source)
    with progress.Display(quiet) as display:
        result = job.run(
            job.Job(source=source, output=output, **grouped(given)),
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
