"""The command `streamseg ros`: its flags, the call, and what it prints."""

from __future__ import annotations

from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import (
    alpha_option,
    behaviour_options,
    clustering_options,
    conclude,
    latency_option,
    model_options,
    quality_option,
    source_options,
)

ROS_ARGS, TYPED = "streamseg.ros_args", "streamseg.typed"  # keys of the click context's `meta`
NO_PARAMETERS = ("as_json", "quiet", "debug", "help", "ros_args")
"""Flags that are no parameters of the node."""


class Node(Command):
    """A command that splits off "--ros-args" and what follows it, and stores the flags as they were typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        split = args.index("--ros-args") if "--ros-args" in args else len(args)
        ctx.meta[ROS_ARGS] = args[split:]
        ctx.meta[TYPED] = self.make_parser(ctx).parse_args(args[:split])[0]
        return super().parse_args(ctx, args[:split])


@click.command(cls=Node)
@option("--image-topic", default="image", show_default=True, metavar="TOPIC", help="Colour: Image or CompressedImage.")
@option(
    "--depth-topic", default="depth", show_default=True, metavar="TOPIC",
    help="Depth, registered to the colour: Image or CompressedImage. Optional.",
)  # fmt: skip
@option(
    "--info-topic",
    default="",
    show_default="camera_info beside the image",
    metavar="TOPIC",
    help="Intrinsics: CameraInfo.",
)
@option("--objects/--no-objects", default=True, show_default=True, help="Find objects, too; regions alone are faster.")
@option(
    "--encoding",
    type=click.Choice(["mono8", "mono16"]),
    default="mono8",
    show_default=True,
    help="Pixel format of the masks.",
)
@option(
    "--masks", type=click.Choice(["regions", "objects", "panoptic"]), default=None,
    show_default="objects where they are found, else regions", help="Which masks the overlay shows.",
)  # fmt: skip
@alpha_option
@option("--max-frames", type=click.IntRange(1), metavar="N", show_default="all", help="Stop after N frames.")
@latency_option
@option("--ros-args", is_flag=True, expose_value=False, help="Pass all further arguments to ROS.")
@model_options
@clustering_options
@quality_option
@source_options
@behaviour_options
@click.pass_context
def ros(ctx: click.Context, as_json: bool, quiet: bool, **given: Any) -> None:
    """Run as a ROS 2 node: take images from topics, publish masks on ~/regions, ~/objects and ~/overlay.

    Each flag is also a parameter of the node, with _ for -. Arguments after --ros-args go to ROS: remappings,
    parameters, the name of the node. Ctrl-C stops the node.

    \b
    streamseg ros --image-topic /camera/color/image_raw --size 256
    streamseg ros --ros-args -r image:=/camera/color/image_raw -p size:=256
    """
    from streamseg.cli import progress
    from streamseg.ros.node import open_node
    from streamseg.ros.serving import serve

    with open_node(ctx.meta[ROS_ARGS]) as node, progress.Display(quiet) as display:
        given |= _values_from_parameters(ctx, node)
        result = serve(node, given, display)
    conclude(ctx, result, as_json, quiet, progress.print_summary)


def _values_from_parameters(ctx: click.Context, node: Any) -> dict[str, Any]:
    """Declare a parameter of the node for each flag, and return the values of the flags that ROS overrides."""
    from streamseg.ros.node import declare_parameters

    options = {
        str(param.name): param
        for param in ctx.command.params
        if isinstance(param, click.Option) and param.name not in NO_PARAMETERS
    }
    typed = ctx.meta[TYPED]
    defaults = {name: _to_parameter(typed.get(name, option.default)) for name, option in options.items()}
    overridden = declare_parameters(node, defaults, {name: option.help or "" for name, option in options.items()})
    return {name: options[name].process_value(ctx, _to_flag(value)) for name, value in overridden.items()}


def _to_flag(value: Any) -> bool | str:
    """Return the value of a parameter as it is typed after a flag; a list gets commas between its items."""
    if isinstance(value, bool):
        return value
    is_list = not isinstance(value, str) and hasattr(value, "__iter__")
    return ",".join(map(str, value)) if is_list else str(value)


def _to_parameter(value: Any) -> bool | str:
    """Return the value of a flag as the value of a parameter: a bool, or text, which is "" if the flag has no value."""
    if isinstance(value, bool):
        return value
    return "" if value is None or not isinstance(value, str | int | float) else str(value)
