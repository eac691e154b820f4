"""What every command of ours shares: one catcher of errors, the common flags, and subcommands that load when used."""

from __future__ import annotations

import importlib
import io
import math
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from streamseg.cli.help import option
from streamseg.cli.parameters import Numbers as Numbers
from streamseg.cli.parameters import Size as Size
from streamseg.errors import StreamsegError
from streamseg.text import clean, to_json

DEBUG = "STREAMSEG_DEBUG"


class LazyGroup(click.Group):
    """A group whose subcommands are named by "module:attribute" and imported only when somebody uses them."""

    def __init__(self, *args: Any, lazy: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.lazy:
            module, _, attribute = self.lazy[name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return super().get_command(ctx, name)


def run_command(command: click.Command, name: str) -> None:
    """Run a console script: exit 0 done, 1 a known error (`error:` and `hint:`), 2 usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a letter shows another one
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")
    try:
        code = command.main(prog_name=name, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as usage:
        usage.show()
        sys.exit(usage.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # the reader of stdout has gone (| head): the rest has nowhere to go, and Python must not try at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except StreamsegError as problem:
        _fail(problem.message, problem.hint)
    except OSError as problem:
        _fail(str(problem), "check the path, its permissions and the space on the disk")
    except Exception as problem:
        _fail(*_explained(problem))


def _explained(problem: Exception) -> tuple[str, str]:
    """What went wrong in a library, and what to do, in words for people."""
    kind, said = f"{type(problem).__module__}.{type(problem).__name__}", str(problem).strip()
    if isinstance(problem, MemoryError) or (kind == "cv2.error" and "Failed to allocate" in said):
        return "there is not enough memory", "use smaller pictures (--size), or end other programs"
    if isinstance(problem, RecursionError):
        return "a file is nested too deeply to be read", "check the JSON files of the source or the model"
    if isinstance(problem, UnicodeError):
        return f"a text is not Unicode: {said}", "rename the file, or save it as UTF-8"
    if "more than 1 value per channel" in said:
        return "batch norms cannot learn from one sample a step", "give --batch-size 2 or more"
    if kind == "cv2.error":
        return f"OpenCV cannot work on this picture: {said.splitlines()[-1]}", "leave the picture out, or convert it"
    if isinstance(problem, RuntimeError) and "openvino" in said.lower():
        return f"OpenVINO cannot run this network: {said.splitlines()[0]}", "try --engine onnxruntime or torch"
    return f"unexpected {type(problem).__name__}: {said}", "this is a bug: please report it with --debug's output"


def _fail(message: str, hint: str) -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    _say("error: " + clean(message.replace("\n", " ")))
    _say("hint: " + clean(hint.replace("\n", " ")))
    sys.exit(1)


def _say(line: str) -> None:
    click.echo(line, err=True)


def print_json(content: object) -> None:
    """One JSON document on stdout."""
    click.echo(to_json(content, indent=2).decode("utf-8"))


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


def _auto_or(most: int) -> Callable[[click.Context, click.Parameter, str], int]:
    """0 for auto, or a number from 1 to `most`."""

    def convert(ctx: click.Context, param: click.Parameter, value: str) -> int:
        if value == "auto":
            return 0
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise click.BadParameter(f"{value!r} is neither auto nor a number from 1 to {most}", ctx, param)
        return int(value)

    return convert


def _k_range(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+):(\d+)", value)
    if not match or not 1 <= int(match[1]) <= int(match[2]) <= 64:
        raise click.BadParameter(f"{value!r} is no range LOW:HIGH within 1:64", ctx, param)
    return int(match[1]), int(match[2])


def _intrinsics(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    from streamseg.frame import Intrinsics

    try:
        fx, fy, cx, cy = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not FX,FY,CX,CY in pixels", ctx, param) from None
    if not all(map(math.isfinite, (fx, fy, cx, cy))) or fx <= 0 or not fy:
        raise click.BadParameter(f"{value!r} is no camera: FX is above 0, FY is not 0, in pixels", ctx, param)
    return Intrinsics(fx, abs(fy), cx, cy)  # ICL-NUIM's y points up, ours down


def _alignment(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    from streamseg.sources.alignment import Alignment

    try:
        scale, dx, dy = (float(part) for part in value.split(","))
        return Alignment(scale, dx, dy)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not SCALE,DX,DY such as 0.90,-8,-4", ctx, param) from None
    except StreamsegError as problem:
        raise click.BadParameter(f"{problem.message}: {problem.hint}", ctx, param) from None


clustering_options = with_options(
    option("--clustering", type=click.Choice(["online", "per-frame"]), default="online", show_default=True,
                 help="One codebook for the session, or cold K-Means on every frame with ids matched afterwards."),
    option("--k", callback=_auto_or(254), default="auto", show_default=True, metavar="auto|N",
                 help="Number of regions."),
    option("--k-range", callback=_k_range, default="2:10", show_default=True, metavar="LOW:HIGH",
                 help="Where --k auto looks for the knee."),
    option("--pca", type=click.IntRange(0), default=0, metavar="N",
                 help="Reduce features to N components; 0 = off."),
    option("--position", type=click.FloatRange(0), default=0.0, metavar="W",
                 help="Weight of a feature cell's place in the clustering; 0 = off."),
    option("--depth", type=click.FloatRange(0), default=0.0, metavar="W",
                 help="Weight of a feature cell's depth in the clustering; 0 = off."),
    option("--keyframes", callback=_auto_or(1000), default="auto", show_default=True, metavar="auto|N",
                 help="A keyframe is a frame that the network runs on: one of N neighbours at least, all if 1; "
                 "the features of the others follow the optical flow. auto = 6; 2 with objects; 1 with --quality high, "
                 "with --clustering per-frame and on a GPU."),
    option("--labels-on", type=click.Choice(["auto", "host", "device"]), default="auto", show_default=True,
                 help="Where clusters and labels are made: in host memory, or on the network's device; auto = there on "
                 "a GPU, where it can be."),
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

quality_option = with_options(
    option("--quality", type=click.Choice(["live", "high"]), default="live", show_default=True,
                 help="Of the objects: as fast as the stream, or as good as can be, offline."),
)  # fmt: skip
"""--quality, where objects are made."""

source_options = with_options(
    option("--depth-scale", type=click.FloatRange(0, min_open=True), metavar="UNITS",
                 help="Depth units per metre (TUM 5000)."),
    option("--align-depth", callback=_alignment, metavar="SCALE,DX,DY",
                 help="Scale the depth about the picture's centre and move it by pixels, where it does not lie on the "
                 "colour; a note says so."),
    option("--intrinsics", callback=_intrinsics, metavar="FX,FY,CX,CY", help="Of the colour camera, in pixels."),
)  # fmt: skip
"""What a user may say about a source."""
