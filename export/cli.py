"""The command `export` (also `streamseg export`)."""

from __future__ import annotations

from pathlib import Path

import click

from streamseg.console import Numbers, Size, behaviour_options, print_json, run_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Turn a backbone into a file for another runtime.

    Type `streamseg export ...`: a bare `export` is a builtin of the shell, which does nothing and says nothing.
    """


def main() -> None:
    """The console script."""
    run_command(group, "export")


@group.command()
@click.argument("model", metavar="NAME|timm:NAME")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: NAME.onnx.")
@click.option("--weights", default="", metavar="FILE", help="A .pth or .safetensors file for the model.")
@click.option("--layers", type=Numbers(), default=(), metavar="N[,N]", help="CNN stages or ViT blocks, joined.")
@click.option("--facet", default="", metavar="key|query|value|output", help="What is taken from a ViT block.")
@click.option("--size", type=Size(), default=384, show_default=True, help="Input: N = NxN, or HxW.")
@behaviour_options
def onnx(
    model: str,
    output: Path | None,
    weights: str,
    layers: tuple[int, ...],
    facet: str,
    size: int | tuple[int, int],
    as_json: bool,
    quiet: bool,
) -> None:
    """Write MODEL as ONNX, compared with PyTorch, for `streamseg run --model FILE` and other runtimes."""
    from export.to_onnx import to_onnx
    from streamseg.backbones import Spec

    height, width = (size, size) if isinstance(size, int) else size
    output = output or Path(f"{model.removeprefix('timm:')}.onnx")
    log = (lambda line: None) if quiet else (lambda line: click.echo(line, err=True))
    to_onnx(Spec(model, weights, layers, facet), (height, width), output, log)
    if as_json:
        print_json({"output": str(output), "size": [height, width], "bytes": output.stat().st_size})
    elif not quiet:
        click.echo(f"{output}: {height}x{width}, {output.stat().st_size / 1e6:.1f} MB")
