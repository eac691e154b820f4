"""The command `export` (also `streamseg export`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.nvidia_cli import tensorrt, triton
from export.openvino_cli import compare, openvino
from streamseg.console import Numbers, Size, behaviour_options, print_json, run_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Turn a backbone into a file for another runtime.

    Type `streamseg export ...`: a bare `export` is a builtin of the shell, which does nothing and says nothing.
    """


group.add_command(tensorrt)
group.add_command(triton)
group.add_command(openvino)
group.add_command(compare)


def main() -> None:
    """The console script."""
    run_command(group, "export")


@group.command()
@click.argument("model", metavar="CKPT.pt|NAME|timm:NAME")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: MODEL.onnx, here.")
@click.option("--weights", default="", metavar="FILE", help="A .pth or .safetensors file for the model.")
@click.option("--layers", type=Numbers(), default=(), metavar="N[,N]", help="CNN stages or ViT blocks, joined.")
@click.option("--facet", default="", metavar="key|query|value|output", help="What is taken from a ViT block.")
@click.option("--size", type=Size(), metavar="N|HxW", help="Input: N = NxN, or HxW.  [default: 384]")
@click.option("--height", type=click.IntRange(16, 8192), help="With --width: the same as --size HxW.")
@click.option("--width", type=click.IntRange(16, 8192), help="With --height.")
@click.option("--dynamic", is_flag=True, help="Height and width stay free: any multiples of the network's stride.")
@click.option(
    "--max-batch",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="The largest batch that is compared; noted in the file.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="Of weights and computation; input and output are float32.",
)
@click.option("--opset", type=int, default=18, show_default=True, help="Of the ONNX file, 13 to 20.")
@click.option(
    "--calibrate",
    default="",
    metavar="SOURCE",
    help="A recording whose frames are compared, and for int8 calibrate. Default: photographs.",
)
@behaviour_options
def onnx(model: str, output: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Write MODEL as ONNX, compared with PyTorch, for `streamseg run --model FILE` and other runtimes."""
    size = _size(options)
    from export.to_onnx import Request, to_onnx
    from streamseg.backbones import Spec

    output = output or Path(f"{_stem(model)}.onnx")
    log = (lambda line: None) if quiet else (lambda line: click.echo(line, err=True))
    spec = Spec(model, options["weights"], options["layers"], options["facet"])
    chosen = {name: options[name] for name in ("precision", "opset", "max_batch", "calibrate")}
    comparisons = to_onnx(Request(spec, size, **chosen), output, log)
    from export.verify import as_dict, table

    content = {
        "output": str(output),
        "size": list(size) if size else "dynamic",
        "precision": options["precision"],
        "opset": options["opset"],
        "bytes": output.stat().st_size,
        "verified": [as_dict(comparison) for comparison in comparisons],
    }
    if not quiet:
        click.echo(table(comparisons), err=True)
    if as_json:
        print_json(content)
    elif not quiet:
        where = f"{size[0]}x{size[1]}" if size else "any size"
        click.echo(f"{output}: {where}, {options['precision']}, {output.stat().st_size / 1e6:.1f} MB")


def _size(options: dict[str, Any]) -> tuple[int, int] | None:
    """(H, W) as --size, or --height and --width, say; None for --dynamic."""
    size, height, width = options["size"], options["height"], options["width"]
    if options["dynamic"]:
        if size or height or width:
            raise click.UsageError("--dynamic leaves the size free: leave out --size, --height and --width")
        return None
    if (height is None) != (width is None) or (size and height):
        raise click.UsageError("give --size, or --height and --width together")
    if height:
        return height, width
    size = size or 384
    return (size, size) if isinstance(size, int) else size


def _stem(model: str) -> str:
    """A file name for a model: "ckpt" of runs/ckpt.pt, "vit_tiny_patch16_224" of timm:vit_tiny_patch16_224."""
    path = Path(model)
    name = path.stem if path.suffix in (".pt", ".ckpt") else model.removeprefix("timm:")
    return "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in name)
