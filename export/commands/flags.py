"""Flags that several commands of `export` share, the values that they stand for, and the output of a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from streamseg.cli.help import option
from streamseg.cli.options import print_json, with_options
from streamseg.cli.parameters import Numbers, Size
from streamseg.text.terminal import note_printer, print_stdout

if TYPE_CHECKING:
    from export.verify import Comparison
    from streamseg.backbones import Spec

part_flags = with_options(
    option("--weights", default="", metavar="FILE", show_default="the model's own",
           help="Weights for the model: a .pth or .safetensors file."),
    option("--layers", type=Numbers(), default=(), metavar="N[,N]", show_default="the model's own",
           help="CNN stages (stage n has stride 2^n) or ViT blocks whose features are concatenated."),
    option("--facet", default="", metavar="key|query|value|output", show_default="key for DINO, else output",
           help="Which features of a ViT block to use."),
)  # fmt: skip
"""--weights, --layers and --facet select a part of a network; `spec` reads them."""


def size_flag(default: int | None = None, shown: str = "") -> Callable[[Any], Any]:
    """Return the flag --size, whose value `sides` reads. shown: text for the help if the default depends on MODEL."""
    text = "Input size in pixels: N = NxN, or HxW." + (f"  [default: {shown}]" if shown else "")
    return option("--size", type=Size(), default=default, show_default=True, metavar="N|HxW", help=text)


def calibrate_flag(use: str) -> Callable[[Any], Any]:
    """Return the flag --calibrate. use: what the command does with the frames, for the help."""
    text = f"A recording whose frames {use}."
    return option(
        "--calibrate", default="", metavar="SOURCE", show_default="two photographs of scikit-learn", help=text
    )


def spec(model: str, options: dict[str, Any]) -> Spec:
    """Return the network that MODEL and `part_flags` name."""
    from streamseg.backbones import Spec

    return Spec(model, options["weights"], options["layers"], options["facet"])


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return (H, W) for the value of --size: one number is a square."""
    return (size, size) if isinstance(size, int) else size


def show(comparisons: Sequence[Comparison], facts: dict[str, Any], line: str, *, as_json: bool, quiet: bool) -> None:
    """Print the result of an export: the comparisons as a table on stderr, and on stdout `line`, or `facts` and the
    comparisons as JSON."""
    from export.verify import as_dict, table

    note_printer(quiet)(table(comparisons))
    if as_json:
        print_json(facts | {"verified": [as_dict(comparison) for comparison in comparisons]})
    elif not quiet:
        print_stdout(line)
