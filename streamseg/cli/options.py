"""The flags that commands of ours share: the same name, the same meaning."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from streamseg.cli.entry import DEBUG
from streamseg.cli.help import option
from streamseg.cli.parameters import Auto, Camera, Numbers, Range, Shift, Size
from streamseg.text import to_json


def print_json(content: object) -> None:
    """One JSON document on stdout."""
    click.echo(to_json(content, indent=2).decode("utf-8"))


def conclude(
    ctx: click.Context, result: dict[str, Any], as_json: bool, quiet: bool, show: Callable[[dict[str, Any]], None]
) -> None:
    """The result of a run: as JSON, or as `show` prints it; what was interrupted ends the command with 130."""
    if as_json:
        print_json(result)
    elif not quiet:
        show(result)
    if result["status"] == "interrupted":
        ctx.exit(130)


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        os.environ[DEBUG] = "1"


def with_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several click options as one decorator, in the order given."""

    def decorate(function: Any) -> Any:
        for add in reversed(options):
            function = add(function)
        return function

    return decorate


behaviour_options = with_options(
    option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
    option("--quiet", is_flag=True, help="No progress and no notes on stderr."),
    option("--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks of errors."),
)
"""--json --quiet --debug, the same in every command."""

network_options = with_options(
    option("--weights", default="", metavar="FILE", help="A .pth or .safetensors file for --model."),
    option("--layers", type=Numbers(), default=(), metavar="N[,N]",
                 help="CNN stages (n has stride 2^n) or ViT blocks, joined. Default: the model's own."),
    option("--facet", default="", metavar="key|query|value|output", help="What is taken from a ViT block."),
    option("--size", type=Size(), default=384, show_default=True, metavar="N|HxW",
                 help="Network input: N = shorter side, or HxW; rounded to what the network needs."),
    option("--engine", default="auto", show_default=True, metavar="openvino|onnxruntime|torch|tensorrt",
                 help="The runtime."),
    option("--device", default="auto", show_default=True, metavar="cpu|cuda|tensorrt", help="Where it runs."),
    option("--precision", default="auto", show_default=True, metavar="fp32|fp16|bf16",
                 help="auto = what the device is good at; the choice is printed."),
)  # fmt: skip
"""Which part of a network, and how it runs: the same flags in every command."""

model_options = with_options(
    option("--model", default="efficientnet_lite0", show_default=True, metavar="NAME|timm:NAME|FILE.onnx|.plan",
                 help="The backbone; NAME is one of efficientnet_lite0, resnet18, resnet50, dino_vits16, dino_vits8, "
                 "dinov2_vits14."),
    network_options,
)  # fmt: skip
"""--model, and all of `network_options`."""


clustering_options = with_options(
    option("--clustering", type=click.Choice(["online", "per-frame"]), default="online", show_default=True,
                 help="One codebook for the session, or cold K-Means on every frame with ids matched afterwards."),
    option("--k", type=Auto(click.IntRange(1, 254)), default="auto", show_default=True, metavar="auto|N",
                 help="Number of regions."),
    option("--k-range", type=Range(), default="2:10", show_default=True, metavar="LOW:HIGH",
                 help="Where --k auto looks for the knee."),
    option("--pca", type=click.IntRange(0), default=0, metavar="N",
                 help="Reduce features to N components; 0 = off."),
    option("--position", type=click.FloatRange(0), default=0.0, metavar="W",
                 help="Weight of a feature cell's place in the clustering; 0 = off."),
    option("--depth", type=click.FloatRange(0), default=0.0, metavar="W",
                 help="Weight of a feature cell's depth in the clustering; 0 = off."),
    option("--foreground", type=click.FloatRange(0), default=2.0, show_default=True, metavar="W",
                 help="Weight in the clustering of what a checkpoint's foreground head answers; 0 = off."),
    option("--keyframes", type=Auto(click.IntRange(1, 1000)), default="auto", show_default=True, metavar="auto|N",
                 help="A keyframe is a frame that the network runs on: one of N neighbours at least, all if 1; "
                 "the features of the others follow the optical flow. auto = 6; 4 with objects, 8 where the flow "
                 "leads there and back; 1 with --quality high, with --clustering per-frame and on a GPU."),
    option("--labels-on", type=click.Choice(["auto", "host", "device"]), default="auto", show_default=True,
                 help="Where clusters and labels are made: in host memory, or on the network's device; auto = there on "
                 "a GPU, where it can be."),
    option("--scene-cuts", type=click.Choice(["restart", "ignore"]), default="restart", show_default=True,
                 help="After a hard cut to another scene masks start anew there, and ids go on; or nothing is done."),
    option("--edges/--no-edges", default=True, show_default=True, help="Borders follow the image and the depth."),
    option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, metavar="N",
                 help="Same seed, same masks."),
)  # fmt: skip
"""How frames are clustered: the fields of `config.ClusteringConfig`, the same flags in every command."""

frames_options = with_options(
    option("--every", type=click.IntRange(1), default=1, metavar="N", help="Take each N-th frame."),
    option(
        "--max-frames", type=click.IntRange(1), metavar="N", show_default="all", help="Stop after N frames of a source."
    ),
)
"""--every and --max-frames, where recordings are gone through."""

latency_option = option(
    "--max-latency",
    type=click.FloatRange(1),
    show_default="none",
    metavar="MS",
    help="Of a live source, from a frame's arrival to its masks: beyond it frames no longer wait for keyframes, then "
    "these get rarer.",
)

alpha_option = option(
    "--alpha",
    type=click.FloatRange(0, 1),
    default=0.5,
    metavar="0..1",
    show_default=True,
    help="Opacity of the overlay.",
)

quality_option = with_options(
    option("--quality", type=click.Choice(["live", "high"]), default="live", show_default=True,
                 help="Of the objects: as fast as the stream, or as good as can be, offline."),
    option("--min-score", type=click.FloatRange(0, 1), default=0.25, show_default=True,
                 metavar="0..1", help="Leave out objects that are less likely to be things; 0 keeps all."),
)  # fmt: skip
"""--quality and --min-score, where objects are made."""

source_options = with_options(
    option("--depth-scale", type=click.FloatRange(0, min_open=True), metavar="UNITS",
                 help="Depth units per metre (TUM 5000)."),
    option("--align-depth", type=Shift(), metavar="SCALE,DX,DY",
                 help="Scale the depth about the picture's centre and move it by pixels, where it does not lie on the "
                 "colour; a note says so."),
    option("--intrinsics", type=Camera(), metavar="FX,FY,CX,CY", help="Of the colour camera, in pixels."),
)  # fmt: skip
"""What a user may say about a source."""
