"""`streamseg data tum`, `co3d`, `davis`, `ocid`: parse, call, print."""

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
def tum(sequence: str, **how: Any) -> None:
    """Download a SEQUENCE of TUM RGB-D, such as fr1/desk, into $STREAMSEG_DATA/tum."""
    _get("tum", sequence, **how)


@click.command(cls=Command)
@click.argument("category")
@get_options
def co3d(category: str, **how: Any) -> None:
    """Download one sequence of a CATEGORY of CO3D, such as apple, into $STREAMSEG_DATA/co3d.

    `streamseg train byol --data co3d` then finds it.
    """
    _get("co3d", category, **how)


@click.command(cls=Command)
@get_options
def davis(**how: Any) -> None:
    """Download DAVIS 2017, train and val, 480p, into $STREAMSEG_DATA/davis."""
    _get("davis", "", **how)


@click.command(cls=Command)
@get_options
def ocid(**how: Any) -> None:
    """Download OCID, 7 GB, into $STREAMSEG_DATA/ocid."""
    _get("ocid", "", **how)


def _get(kind: str, part: str, mirror: str, as_json: bool, quiet: bool) -> None:
    from streamseg.downloads import catalogue, fetch

    found = catalogue.find(kind, part)
    folder = fetch.root() / kind
    if not quiet:
        click.echo(f"licence: {found.licence} ({found.page})", err=True)
    bar = sys.stderr.isatty() and not quiet
    last = [""]

    def show(name: str, have: int, total: int) -> None:
        line = f"{name}: {have / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{name}: {have / 1e6:.0f} MB"
        if bar and line != last[0]:
            last[0] = line
            click.echo(f"\r{line}", err=True, nl=False)

    content = [str(path) for path in fetch.fetch(found, folder, show, mirror)]
    if last[0]:
        click.echo(err=True)
    if as_json:
        print_json({"folder": str(folder), "licence": found.licence, "page": found.page, "content": content})
    elif not quiet:
        click.echo("\n".join(content))
