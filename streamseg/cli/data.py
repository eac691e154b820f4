"""`streamseg data`: parses, calls, prints."""

from __future__ import annotations

import sys

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json


@click.command(cls=Command)
@click.argument("kind", type=click.Choice(["co3d", "davis", "ocid", "tum"]))
@click.argument("part", default="")
@option("--mirror", default="", metavar="URL", help="Scheme and host that stand in for the publishers', e.g. a proxy.")
@behaviour_options
def data(kind: str, part: str, mirror: str, as_json: bool, quiet: bool) -> None:
    """Get public recordings into $STREAMSEG_DATA: KIND, and PART where the set has parts.

    \b
    streamseg data tum fr1/desk    one sequence of TUM RGB-D
    streamseg data co3d apple      one sequence of a category of CO3D; then: train byol --data co3d
    streamseg data davis           DAVIS 2017, train and val, 480p
    streamseg data ocid            all of OCID, 7 GB
    """
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

    content = fetch.fetch(found, folder, show, mirror)
    if last[0]:
        click.echo(err=True)
    if as_json:
        print_json(
            {"folder": str(folder), "licence": found.licence, "page": found.page, "content": list(map(str, content))}
        )
    elif not quiet:
        click.echo("\n".join(map(str, content)))
