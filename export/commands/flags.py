"""Flags that several commands of `export` share, the values that they stand for, and the output of a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from streamseg.cli.help import option
from streamseg.cli.options import print_json
from streamseg.cli.parameters import Size
from streamseg.text.terminal import note_printer, print_stdout

if TYPE_CHECKING:
    from export.verify import Comparison
    from streamseg.backbones import Spec


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
    """Return the network that MODEL and `part_options` name."""
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
