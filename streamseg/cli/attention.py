"""The command `streamseg attention`: draws the attention of a ViT's CLS token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, frames_options, network_options, print_json, source_options
from streamseg.text import terminal


@click.command(cls=Command)
@click.argument("source")
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Output folder, one picture for each frame.",
)
@option(
    "--model",
    required=True,
    metavar="VIT",
    help="dino_vits16, dino_vits8, dinov2_vits14, timm:NAME, a checkpoint or an exported file of a ViT.",
)
@network_options
@source_options
@frames_options
@behaviour_options
def attention(source: str, as_json: bool, quiet: bool, **given: Any) -> None:  # fmt: skip
    """Draw the CLS attention of a ViT's last block on the frames of SOURCE: each head, and their mean."""
    from streamseg.config import SessionConfig, from_flags
    from streamseg.evaluation import attention as attention_pictures

    output, every, max_frames = (given.pop(name) for name in ("output", "every", "max_frames"))
    setup = SessionConfig(source, **from_flags(given | {"edges": False}))  # so that depth is not read
    log = None if quiet else terminal.print_stderr
    result = attention_pictures.write(setup, output, every=every, max_frames=max_frames, log=log)
    if as_json:
        print_json(result)
    elif not quiet:
        terminal.print_stdout(f"{result['frames']} pictures of {result['heads']} heads in {output}")
