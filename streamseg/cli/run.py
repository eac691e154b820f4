"""The command `streamseg run`: its flags, the call, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from streamseg.cli.help import Command, option
from streamseg.cli.options import (
    alpha_option,
    behaviour_options,
    clustering_options,
    conclude,
    frames_options,
    known_names,
    latency_option,
    model_options,
    quality_option,
    refuse_unused_flags,
    source_options,
)
from streamseg.cli.view import port_option


def _save(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    from streamseg import sinks

    if value is None:
        return None
    known = {name for name in sinks.kinds() if name != "window"}
    return tuple(dict.fromkeys(known_names(ctx, param, value, known)))


def _view(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    from streamseg import sinks

    return tuple(dict.fromkeys(known_names(ctx, param, value, set(sinks.viewers()))))


def _config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Make the settings in a run.json the defaults of all flags."""
    if value is not None:
        from streamseg.runtime.repeat import flags_of

        ctx.default_map = {**(ctx.default_map or {}), **flags_of(value)}


def _default_name(source: str) -> str:
    """Return the output folder's name for a source: the file name without suffix, the name of the recording in an index
    or in shards, or "stream" for an address, which may contain a password."""
    from streamseg.sources import kind_of, module_of, split_kind, split_part

    kind, place = split_kind(source)
    path, part = split_part(place)
    if part and (kind or kind_of(module_of(place))) in ("index", "shards"):
        return Path(part).name
    if "://" in source:
        return "stream"
    return (Path(path).resolve().stem if path else kind) or "run"


@click.command(cls=Command, context_settings={"allow_extra_args": True})
@click.argument("source", required=False)
@option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_config,
    metavar="run.json",
    help="Repeat the run that this file describes. SOURCE and flags on the command line override it.",
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    show_default="out/NAME; none with --show or --view, unless --save is given",
    help="Output folder.",
)
@option(
    "--save",
    callback=_save,
    default=None,
    show_default="overlay and the masks on it",
    metavar="KIND[,KIND]",
    help="What to write: overlay, objects, labels (the regions), panoptic, npz, coco, ytvis, jsonl; for other tools "
    "dataset, yolo, labelstudio, mots, ply, rerun, bag, mcap.",
)
@option(
    "--masks",
    type=click.Choice(["regions", "objects", "panoptic"]),
    default=None,
    show_default="objects; regions where labels are saved and objects are not",
    help="Masks that the overlay, the window and the other files contain.",
)
@option("--show", is_flag=True, help="Show the masks in a window; q stops the run.")
@option(
    "--view",
    callback=_view,
    default="",
    metavar="browser|rerun",
    help="Watch the run live: browser = a page on this machine, whose address is printed; rerun = the Rerun viewer. "
    "Both listen on this machine only.",
)
@port_option
@model_options
@clustering_options
@quality_option
@source_options
@frames_options
@option(
    "--batch",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Frames of a recording in one call of the network; larger is faster on a GPU.",
)
@option(
    "--policy",
    type=click.Choice(["latest", "all"]),
    default="latest",
    show_default=True,
    help="If a live source is faster than segmentation: latest = drop the frames that wait; all = queue them.",
)
@latency_option
@alpha_option
@option("--overwrite", is_flag=True, help="Replace the run in the output folder.")
@behaviour_options
@click.pass_context
def run(ctx: click.Context, source: str | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Segment SOURCE: a recording, a video, a folder of images, a camera number or an rtsp:// address.

    The kind of a path is recognized by its content. KIND:PATH forces one of: bag, bop, camera, co3d, davis, images,
    index, kinect, ocid, realsense, record3d, rgbd, scannet, shards, stray, tum, video.
    """
    from streamseg.runtime.memory import starting

    if source is None:
        raise click.UsageError("Missing argument 'SOURCE'.", ctx)
    if ctx.args:
        raise click.UsageError(f"one SOURCE only, not also {ctx.args[0]!r}; for several: streamseg batch", ctx)
    output = given.pop("output")
    is_watched = given["show"] or given["view"]
    if output is None and (not is_watched or ctx.get_parameter_source("save") is ParameterSource.COMMANDLINE):
        output = Path("out") / _default_name(source)
    with starting() as started:
        from streamseg.cli import progress
        from streamseg.config import RunConfig, from_flags
        from streamseg.runtime import job

        config = RunConfig(source=source, output=output, **from_flags(given))
        refuse_unused_flags(ctx, config)
        with progress.Display(quiet, started) as display:
            result = job.run(config, log=display.log, begin=display.begin, progress=display.update)
    conclude(ctx, result, as_json, quiet, progress.print_summary)
    if result["status"] == "lost":
        from streamseg.errors import SourceError
        from streamseg.text import without_secrets

        raise SourceError(
            f"{without_secrets(source)!r} was lost and did not come back", "check the camera and its cable"
        )
