"""Flags that several commands share, with the same name and the same meaning, and how commands end."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from streamseg.cli.entry import DEBUG
from streamseg.cli.help import option
from streamseg.cli.parameters import Auto, Camera, Numbers, Range, Shift, Size
from streamseg.text import to_json
from streamseg.text.flags import SETTINGS_OF_MASKS, flag_of

if TYPE_CHECKING:
    from streamseg.config import SegmenterConfig


def print_json(content: object) -> None:
    """Print a JSON document on stdout."""
    click.echo(to_json(content, indent=2).decode("utf-8"))


def conclude(
    ctx: click.Context, result: dict[str, Any], as_json: bool, quiet: bool, show: Callable[[dict[str, Any]], None]
) -> None:
    """Print the result of a run, as JSON or with `show`. End the command with status 130 if the run was interrupted."""
    if as_json:
        print_json(result)
    elif not quiet:
        show(result)
    if result["status"] == "interrupted":
        ctx.exit(130)


def refuse_unused_flags(ctx: click.Context, config: SegmenterConfig) -> None:
    """Refuse flags that the user typed for masks that this run does not find: they would have no effect.

    Raises click.UsageError for the first of them.
    """
    finds = {"regions": config.regions, "objects": config.objects.objects}
    for kind, names in SETTINGS_OF_MASKS.items():
        for name in names:
            typed = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
            if typed and not finds[kind]:
                flag = flag_of(f"no_{name}" if ctx.params.get(name) is False else name)
                raise click.UsageError(f"{flag} is about {kind}, and this run finds none: add --masks {kind}", ctx)


def known_names(ctx: click.Context, param: click.Parameter, value: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the names of a comma-separated list. Raises click.BadParameter for a name that is not among `known`."""
    from streamseg import plugins

    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r}: {plugins.did_you_mean(name, known)}", ctx, param)
    return names


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        os.environ[DEBUG] = "1"


def with_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator that adds several click options, in this order."""

    def decorate(function: Any) -> Any:
        for add in reversed(options):
            function = add(function)
        return function

    return decorate


behaviour_options = with_options(
    option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
    option("--quiet", is_flag=True, help="Print no progress and no notes on stderr."),
    option("--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Print the traceback of an error."),
)
"""--json, --quiet and --debug, which every command has."""

part_options = with_options(
    option("--weights", default="", metavar="FILE", show_default="the model's own",
                 help="Weights for the model: a .pth or .safetensors file."),
    option("--layers", type=Numbers(), default=(), metavar="N[,N]", show_default="the model's own",
                 help="CNN stages (stage n has stride 2^n) or ViT blocks whose features are concatenated."),
    option("--facet", default="", metavar="key|query|value|output", show_default="key for DINO, else output",
                 help="Which features of a ViT block to use."),
)  # fmt: skip
"""Flags for the part of a network that is used."""

network_options = with_options(
    part_options,
    option("--size", type=Size(), default=384, show_default=True, metavar="N|HxW",
                 help="Input size in pixels: N = shorter side, or HxW; rounded to a multiple of the network's stride."),
    option("--engine", default="auto", show_default=True, metavar="openvino|onnxruntime|torch|tensorrt",
                 help="Inference runtime."),
    option("--device", default="auto", show_default=True, metavar="cpu|cuda|tensorrt",
                 help="Device that the network runs on."),
    option("--precision", default="auto", show_default=True, metavar="fp32|fp16|bf16",
                 help="Precision of the network; auto = by device. The choice is printed."),
)  # fmt: skip
"""All `part_options`, and flags for how a network runs."""

model_options = with_options(
    option("--model", default="efficientnet_lite0", show_default=True, metavar="NAME|timm:NAME|FILE",
                 help="The backbone. NAME is one of efficientnet_lite0, resnet18, resnet50, dino_vits16, dino_vits8, "
                 "dinov2_vits14; FILE is a checkpoint (.pt) or an exported network (.onnx, .xml, .plan)."),
    network_options,
)  # fmt: skip
"""--model and all `network_options`."""

clustering_options = with_options(
    option("--clustering", type=click.Choice(["online", "per-frame"]), default="online", show_default=True,
                 help="online = one codebook for the whole session; per-frame = K-Means from scratch on every frame, "
                 "with ids matched afterwards."),
    option("--k", type=Auto(click.IntRange(1, 254)), default="auto", show_default=True, metavar="auto|N",
                 help="Number of regions; auto = by the knee of the distortion curve."),
    option("--k-range", type=Range(), default="2:10", show_default=True, metavar="LOW:HIGH",
                 help="Numbers of regions that --k auto tries."),
    option("--pca", type=click.IntRange(0), default=0, show_default=True, metavar="N",
                 help="Reduce features to N principal components before clustering; 0 = off."),
    option("--position", type=click.FloatRange(0), default=0.0, show_default=True, metavar="W",
                 help="Weight of a feature cell's image position in the clustering; 0 = off."),
    option("--depth", type=click.FloatRange(0), default=0.0, show_default=True, metavar="W",
                 help="Weight of a feature cell's depth in the clustering; 0 = off."),
    option("--foreground", type=click.FloatRange(0), default=2.0, show_default=True, metavar="W",
                 help="Weight of the output of a checkpoint's foreground head in the clustering; 0 = off."),
    option("--keyframes", type=Auto(click.IntRange(1, 1000)), default="auto", show_default=True, metavar="auto|N",
                 help="The network runs on keyframes, at least on every N-th frame; the features of the other frames "
                 "follow the optical flow. 1 = every frame. auto = 6; with objects 4, or 8 where the flow is "
                 "consistent; 1 with --quality high, with --clustering per-frame and on a GPU."),
    option("--labels-on", type=click.Choice(["auto", "host", "device"]), default="auto", show_default=True,
                 help="Where clustering and labelling run: in host memory, or on the network's device. auto = on the "
                 "device if it is a GPU and the engine supports it, else on the host."),
    option("--scene-cuts", type=click.Choice(["restart", "ignore"]), default="restart", show_default=True,
                 help="After a hard cut: restart = learn the new scene from scratch, with new ids; ignore = go on as "
                 "before."),
    option("--edges/--no-edges", default=True, show_default=True,
                 help="Align the borders of masks with edges in the image and in the depth."),
    option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, metavar="N",
                 help="Random seed; the same command with the same seed gives the same masks."),
)  # fmt: skip
"""Flags for the fields of `config.ClusteringConfig`, for keyframes and for scene cuts."""

frames_options = with_options(
    option("--every", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Use every N-th frame."),
    option(
        "--max-frames",
        type=click.IntRange(1),
        metavar="N",
        show_default="all",
        help="Stop after N frames of each source.",
    ),
)
"""--every and --max-frames, for commands that read recordings."""

latency_option = option(
    "--max-latency",
    type=click.FloatRange(1),
    show_default="none",
    metavar="MS",
    help="Target latency of a live source in milliseconds, from a frame's arrival to its masks. When it is missed, "
    "frames stop waiting for keyframes; then keyframes become rarer.",
)

alpha_option = option(
    "--alpha",
    type=click.FloatRange(0, 1),
    default=0.5,
    metavar="0..1",
    show_default=True,
    help="Opacity of the masks in the overlay.",
)

quality_option = with_options(
    option("--quality", type=click.Choice(["live", "high"]), default="live", show_default=True,
                 help="Quality of the objects: live = real time; high = better masks, slower, for recordings."),
    option("--min-score", type=click.FloatRange(0, 1), default=0.25, show_default=True,
                 metavar="0..1", help="Drop objects that have not reached this score; 0 keeps all."),
)  # fmt: skip
"""--quality and --min-score, for commands that find objects."""

source_options = with_options(
    option("--depth-scale", type=click.FloatRange(0, min_open=True), metavar="UNITS",
                 show_default="as the recording says",
                 help="Depth units per metre: 1000 for millimetres, 5000 for TUM RGB-D."),
    option("--align-depth", type=Shift(), metavar="SCALE,DX,DY",
                 show_default="none",
                 help="Register depth to colour: scale it by SCALE about the image centre, then shift it by DX,DY "
                 "pixels. A note suggests values where depth is clearly not registered."),
    option("--intrinsics", type=Camera(), metavar="FX,FY,CX,CY", show_default="as the recording says",
                 help="Intrinsics of the colour camera, in pixels."),
)  # fmt: skip
"""Flags for the fields of `config.SourceConfig`."""
