"""`--help`: options under the same headings in every command, ranges in words. It also refuses impossible numbers."""

from __future__ import annotations

import math
import os
from typing import Any

import click

from streamseg.cli.parameters import in_words, limits_of
from streamseg.text.flags import SETTINGS_OF_MASKS
from streamseg.urls import is_address

GENERAL = "General"
GROUPS: dict[str, tuple[str, ...]] = {
    "Input": (
        "config", "every", "max_frames", "frames", "intrinsics", "depth_scale", "align_depth", "data", "val", "gap",
        "splits", "labelled_share", "val_share", "mirror", "side", "resume", "source",
        "image_topic", "depth_topic", "info_topic",
    ),
    "Network": (
        "model", "models", "backbone", "weights", "layers", "facet", "size", "height", "width", "dynamic", "engine",
        "engines", "device", "precision", "keyframes", "batch", "labels_on", "scene_cuts", "max_batch", "opt_batch",
        "workspace", "calibrate", "opset",
    ),
    "Regions": SETTINGS_OF_MASKS["regions"],
    "Objects": ("objects", *SETTINGS_OF_MASKS["objects"]),
    "Live": ("show", "view", "port", "open_page", "policy", "max_latency", "ros_args"),
    "Measure": ("protocol", "singly", "task", "shot", "way", "seeds", "turns", "against", "against_weights", "profile"),
    "Cluster": ("workers", "address", "shard", "retries", "timeout", "again"),
    "Output": ("output", "save", "masks", "alpha", "overwrite", "encoding", "page", "report", "name", "format_",
               "markdown", "jpeg_quality", "per_shard"),
    "Method": (),
    "Training": (),
    GENERAL: ("seed", "as_json", "quiet", "debug", "help"),
}  # fmt: skip
"""Heading -> names of its options, in the order in which they are printed."""
LARGEST = 2**53
"""Largest number that an option takes. A larger one is a mistake, and some libraries cannot represent it."""
NUMBERS = (click.types.IntParamType, click.types.FloatParamType)
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
"""Settings of every group. A help text is as wide as the terminal, but at most `max_content_width` columns."""


class Option(click.Option):
    """An option with a heading. It refuses NaN, infinity and numbers beyond LARGEST. It also refuses an empty path,
    which would mean the working folder: a script passes one if its variable is not set. As a path, ~ is the home
    folder, and an address is refused, because s3://x would be a folder called s3: in the working folder.

    group: a key of GROUPS; by default the heading that lists the name, else General.
    """

    def __init__(self, *args: Any, group: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group or heading(self.name or "")

    def make_metavar(self, ctx: click.Context) -> str:
        """Return one letter for a number."""
        if self.metavar is None and isinstance(self.type, click.types.IntParamType):
            return "N"
        if self.metavar is None and isinstance(self.type, click.types.FloatParamType):
            return "X"
        return super().make_metavar(ctx)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        if value == "" and (isinstance(self.type, click.Path) or "-o" in self.opts):
            raise click.BadParameter("it is empty; a path needs a name (. is the working folder)", ctx, self)
        # the shell does not expand --output=~/out, and nobody expands what a file of flags says
        several = self.multiple and isinstance(value, list | tuple)  # click has a value of its own for "not given"
        value = [*map(_at_home, value)] if several else _at_home(value)
        if isinstance(self.type, click.Path) and isinstance(value, str) and is_address(value):
            raise click.BadParameter(f"{value!r} is an address; give a path on this machine", ctx, self)
        try:
            result = super().process_value(ctx, value)
        except click.BadParameter:
            if not isinstance(self.type, NUMBERS):
                raise
            raise click.BadParameter(f"{value!r} is not {in_words(self.type)}", ctx, self) from None
        for item in result if isinstance(result, tuple) else (result,):
            if isinstance(item, int | float) and not (math.isfinite(item) and abs(item) <= LARGEST):
                raise click.BadParameter(f"{value} is not a number that can be used here", ctx, self)
        return result

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what follows the help text: ranges in words, and defaults without brackets around them."""
        extra = super().get_help_extra(ctx)
        if "range" in extra:
            extra["range"] = limits_of(self.type).removeprefix("from ")
            if not extra["range"]:
                del extra["range"]
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra


def _at_home(value: Any) -> Any:
    return os.path.expanduser(value) if isinstance(value, str) else value


def heading(name: str, otherwise: str = GENERAL) -> str:
    """Return the heading that lists the option `name`, or `otherwise`."""
    return next((title for title, names in GROUPS.items() if name in names), otherwise)


def option(*names: str, **attributes: Any) -> Any:
    """Return a decorator like `click.option`, for an `Option`. group: see there."""
    return click.option(*names, cls=Option, **attributes)


class Command(click.Command):
    """A command whose `--help` prints options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[int, tuple[str, str]]]] = {title: [] for title in GROUPS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                title = getattr(param, "group", GENERAL)
                position = GROUPS[title].index(param.name) if param.name in GROUPS[title] else len(GROUPS[title])
                sections[title].append((position, record))
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl([record for _, record in sorted(records, key=lambda pair: pair[0])])
