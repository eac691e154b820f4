"""`streamseg run`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamseg.cli.options import (
    behaviour_options,
    clustering_options,
    frames_options,
    model_options,
    print_json,
    quality_option,
    source_options,
)


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


@click.command()
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
    from streamseg.cli import progress
    from streamseg.config import RunConfig, from_flags
    from streamseg.runtime import job

    output = given.pop("output")
    if output is None and not given["show"]:
        output = Path("out") / _default_name(source)
    with progress.Display(quiet) as display:
        result = job.run(
            RunConfig(source=source, output=output, **from_flags(given)),
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
