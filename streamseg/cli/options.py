"""What every command of ours shares: one catcher of errors, the common flags, and subcommands that load when used."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from streamseg.errors import StreamsegError

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
        _fail(
            f"unexpected {type(problem).__name__}: {problem}", "this is a bug: please report it with --debug's output"
        )


def _fail(message: str, hint: str) -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    _say("error: " + message.replace("\n", " "))
    _say("hint: " + hint.replace("\n", " "))
    sys.exit(1)


def _say(line: str) -> None:
    click.echo(line, err=True)


def print_json(content: object) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


class Size(click.ParamType):
    """--size: N (shorter side, the aspect is kept) or HxW."""

    name = "N|HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        if isinstance(value, int | tuple):
            return value
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", value)
        if not match or not all(16 <= int(side) <= 8192 for side in match.groups() if side):
            self.fail(f"{value!r} is no size: give N (shorter side) or HxW, each 16 to 8192", param, ctx)
        assert match
        return (int(match[1]), int(match[2])) if match[2] else int(match[1])


class Numbers(click.ParamType):
    """Whole numbers with commas: "4,5"."""

    name = "N,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(",") if part)
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers such as 4,5", param, ctx)


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        os.environ[DEBUG] = "1"


def with_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several click options as one decorator, in the order given."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


behaviour_options = with_options(
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
    click.option("--quiet", is_flag=True, help="No progress and no notes on stderr."),
    click.option("--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks of errors."),
)
"""--json --quiet --debug, the same in every command."""

network_options = with_options(
    click.option("--weights", default="", metavar="FILE", help="A .pth or .safetensors file for --model."),
    click.option("--layers", type=Numbers(), default=(), metavar="N[,N]",
                 help="CNN stages (n has stride 2^n) or ViT blocks, joined. Default: the model's own."),
    click.option("--facet", default="", metavar="key|query|value|output", help="What is taken from a ViT block."),
    click.option("--size", type=Size(), default=384, show_default=True, metavar="N|HxW",
                 help="Network input: N = shorter side, or HxW; rounded to what the network needs."),
    click.option("--engine", default="auto", show_default=True, metavar="openvino|onnxruntime|torch|tensorrt",
                 help="The runtime."),
    click.option("--device", default="auto", show_default=True, metavar="cpu|cuda|tensorrt", help="Where it runs."),
    click.option("--precision", default="auto", show_default=True, metavar="fp32|fp16|bf16",
                 help="auto = what the device is good at; the choice is printed."),
)  # fmt: skip
"""Which part of a network, and how it runs: the same flags in every command."""

model_options = with_options(
    click.option("--model", default="efficientnet_lite0", show_default=True, metavar="NAME|timm:NAME|FILE.onnx|.plan",
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
    return Intrinsics(fx, fy, cx, cy)


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
    click.option("--clustering", type=click.Choice(["online", "per-frame"]), default="online", show_default=True,
                 help="One codebook for the session, or cold K-Means on every frame with ids matched afterwards."),
    click.option("--k", callback=_auto_or(254), default="auto", show_default=True, metavar="auto|N",
                 help="Number of segments."),
    click.option("--k-range", callback=_k_range, default="2:10", show_default=True, metavar="LOW:HIGH",
                 help="Where --k auto looks for the knee."),
    click.option("--pca", type=click.IntRange(0), default=0, metavar="N",
                 help="Reduce features to N components; 0 = off."),
    click.option("--position", type=click.FloatRange(0), default=0.0, metavar="W",
                 help="Weight of the cell's place in the clustering."),
    click.option("--depth", type=click.FloatRange(0), default=0.0, metavar="W",
                 help="Weight of the cell's depth in the clustering."),
    click.option("--keyframes", callback=_auto_or(1000), default="auto", show_default=True, metavar="auto|N",
                 help="The network looks at one of N neighbouring frames at least, at all if 1; the others follow the "
                 "optical flow. auto = 6 (2 with objects, 1 with --quality high and on a GPU)."),
    click.option("--labels-on", type=click.Choice(["auto", "host", "device"]), default="auto", show_default=True,
                 help="Where clusters and labels are made: in host memory, or on the network's device; auto = there on "
                 "a GPU, where it can be."),
    click.option("--edges/--no-edges", default=True, show_default=True, help="Borders follow the image and the depth."),
    click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True,
                 help="Same seed, same masks."),
)  # fmt: skip
"""How frames are clustered: the fields of `modes.Settings`, the same flags in every command."""

frames_options = with_options(
    click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Take each N-th frame."),
    click.option("--max-frames", type=click.IntRange(1), metavar="N", help="Stop after N frames of a source."),
)
"""--every and --max-frames, where recordings are gone through."""

quality_option = with_options(
    click.option("--quality", type=click.Choice(["live", "high"]), default="live", show_default=True,
                 help="Of the objects: as fast as the stream, or as good as can be, offline."),
)  # fmt: skip
"""--quality, where objects are made."""

source_options = with_options(
    click.option("--depth-scale", type=click.FloatRange(0, min_open=True), metavar="UNITS",
                 help="Depth units per metre (TUM 5000)."),
    click.option("--align-depth", callback=_alignment, metavar="SCALE,DX,DY",
                 help="Scale the depth about the picture's centre and move it by pixels, where it does not lie on the "
                 "colour; a note says so."),
    click.option("--intrinsics", callback=_intrinsics, metavar="FX,FY,CX,CY", help="Of the colour camera, in pixels."),
)  # fmt: skip
"""What a user may say about a source."""
