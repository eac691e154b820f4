"""The commands `export openvino` and `export compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamseg.console import Numbers, Size, behaviour_options, print_json


@click.command()
@click.argument("model", metavar="CKPT.pt|NAME|timm:NAME")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="An .xml file. Default: MODEL.xml, here.")
@click.option("--weights", default="", metavar="FILE", help="A .pth or .safetensors file for the model.")
@click.option("--layers", type=Numbers(), default=(), metavar="N[,N]", help="CNN stages or ViT blocks, joined.")
@click.option("--facet", default="", metavar="key|query|value|output", help="What is taken from a ViT block.")
@click.option("--size", type=Size(), default=384, show_default=True, metavar="N|HxW", help="Input: N = NxN, or HxW.")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "int8"]), default="fp32", show_default=True,
              help="Of the weights in the file; CPUs compute fp16 files in fp32.")  # fmt: skip
@click.option("--calibrate", default="", metavar="SOURCE",
              help="A recording whose frames are compared, and for int8 calibrate. Default: photographs.")  # fmt: skip
@behaviour_options
def openvino(model: str, output: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Write MODEL as an OpenVINO network (.xml and .bin), compared with PyTorch, for `streamseg run --model FILE`."""
    from export.to_onnx import Request
    from export.to_openvino import to_openvino
    from export.verify import as_dict, table
    from streamseg.backbones import Spec

    size = options["size"]
    size = (size, size) if isinstance(size, int) else size
    stem = Path(model).stem if Path(model).is_file() else model.removeprefix("timm:")
    output = output or Path(f"{stem}.xml")
    log = (lambda line: None) if quiet else (lambda line: click.echo(line, err=True))
    spec = Spec(model, options["weights"], options["layers"], options["facet"])
    request = Request(spec, size, precision=options["precision"], calibrate=options["calibrate"])
    comparisons = to_openvino(request, output, log)
    files = (output, output.with_suffix(".bin"))
    total = sum(file.stat().st_size for file in files)
    if not quiet:
        click.echo(table(comparisons), err=True)
    if as_json:
        verified = [as_dict(comparison) for comparison in comparisons]
        facts = {"output": str(output), "weights": str(files[1]), "size": list(size), "bytes": total}
        print_json(facts | {"precision": options["precision"], "verified": verified})
    elif not quiet:
        click.echo(f"{output} and .bin: {size[0]}x{size[1]}, {options['precision']}, {total / 1e6:.1f} MB")


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="NAME[,layers=N,N][@WEIGHTS]|CKPT.pt ...")
@click.option("--calibrate", default="", metavar="SOURCE", help="The recording that int8 is calibrated on. "
              "Default: photographs.")  # fmt: skip
@click.option("--frames", default="", metavar="SOURCE", help="The recording that is compared on. Default: photographs.")
@click.option("--size", type=Size(), default=256, show_default=True, metavar="N|HxW", help="Input: N = NxN, or HxW.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@behaviour_options
def compare(models: tuple[str, ...], calibrate: str, frames: str, markdown: bool, **options: Any) -> None:
    """Export MODELS in every format and print what each costs: size, error, agreement with PyTorch, speed.

    \b
    streamseg export compare efficientnet_lite0 runs/best.pt resnet18,layers=3,4@resnet18.safetensors
    """
    from export import compare as comparison

    size = options["size"]
    size = (size, size) if isinstance(size, int) else size
    log = (lambda line: None) if options["quiet"] else (lambda line: click.echo(line, err=True))
    rows = comparison.rows([comparison.parse(model) for model in models], size, calibrate, frames, log)
    if options["as_json"]:
        print_json({"size": list(size), "calibrate": calibrate, "frames": frames, "rows": rows})
    elif not options["quiet"]:
        click.echo(comparison.markdown(rows) if markdown else comparison.text(rows))
