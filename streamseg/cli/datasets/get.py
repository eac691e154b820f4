"""The commands `streamseg data tum`, `co3d`, `davis` and `ocid`, which download public data sets."""

from __future__ import annotations

import sys
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json, with_options

get_options = with_options(
    option("--mirror", default="", metavar="URL", help="Scheme and host to download from instead of the publisher's."),
    behaviour_options,
)


@click.command(cls=Command)
@click.argument("sequence")
@get_options
def tum(sequence: str, **flags: Any) -> None:
    """Download a SEQUENCE of TUM RGB-D, such as fr1/desk, into $STREAMSEG_DATA/tum."""
    _download("tum", sequence, **flags)


@click.command(cls=Command)
@click.argument("category")
@get_options
def co3d(category: str, **flags: Any) -> None:
    """Download one sequence of a CATEGORY of CO3D, such as apple, into $STREAMSEG_DATA/co3d.

    `streamseg train byol --data co3d` then finds it.
    """
    _download("co3d", category, **flags)


@click.command(cls=Command)
@get_options
def davis(**flags: Any) -> None:
    """Download DAVIS 2017, train and val, 480p, into $STREAMSEG_DATA/davis."""
    _download("davis", "", **flags)


@click.command(cls=Command)
@get_options
def ocid(**flags: Any) -> None:
    """Download OCID, 7 GB, into $STREAMSEG_DATA/ocid."""
    _download("ocid", "", **flags)


def _download(kind: str, part: str, mirror: str, as_json: bool, quiet: bool) -> None:
    from streamseg.downloads import catalogue, fetch

    data_set = catalogue.find(kind, part)
    folder = fetch.root() / kind
    if not quiet:
        click.echo(f"licence: {data_set.licence} ({data_set.page})", err=True)
    show_progress = sys.stderr.isatty() and not quiet
    shown = ""

    def show(name: str, done: int, total: int) -> None:
        nonlocal shown
        line = f"{name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{name}: {done / 1e6:.0f} MB"
        if show_progress and line != shown:
            shown = line
            click.echo(f"\r{line}", err=True, nl=False)

    content = [str(path) for path in fetch.fetch(data_set, folder, show, mirror)]
    if shown:
        click.echo(err=True)
    if as_json:
        print_json({"folder": str(folder), "licence": data_set.licence, "page": data_set.page, "content": content})
    elif not quiet:
        click.echo("\n".join(content))
