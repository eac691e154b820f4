"""The command `streamseg probe`: measures features, and compares a checkpoint with its starting network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, network_options, print_json
from streamseg.text import terminal


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, metavar="CKPT|MODEL...")
@option(
    "--data",
    multiple=True,
    required=True,
    metavar="FOLDER",
    help="dense: recordings with masks; may be given several times. Other tasks: one folder with a sub-folder for "
    "each class, of photographs or recordings, optionally below train/ and val/.",
)
@option(
    "--task",
    type=click.Choice(["dense", "knn", "linear", "fewshot", "semi"]),
    default="dense",
    show_default=True,
    help="What to measure: clusters against masks (dense), or classification.",
)
@network_options
@option(
    "--frames",
    type=click.IntRange(1),
    default=24,
    show_default=True,
    metavar="N",
    help="Use at most N frames of each recording, spread evenly.",
)
@option("--k", type=click.IntRange(2, 64), default=5, show_default=True, metavar="N", help="dense: number of clusters.")
@option(
    "--val-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    metavar="0..1",
    help="Share of each class that is held out, by whole recordings.",
)
@option(
    "--way", type=click.IntRange(2), default=5, show_default=True, metavar="N", help="fewshot: classes per episode."
)
@option(
    "--shot", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="fewshot: examples per class."
)
@option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Random seed of splits and figures.",
)
@behaviour_options
def probe(models: Sequence[str], as_json: bool, quiet: bool, **given: Any) -> None:
    """Measure the features of models and checkpoints; compare a checkpoint with the backbone it started from."""
    from threadpoolctl import threadpool_limits

    from streamseg.backbones import Spec, zoo
    from train.probes.compare import Question, compare, make_probe
    from train.probes.network import InferenceOptions

    weights, layers, facet = given.pop("weights"), given.pop("layers"), given.pop("facet")
    specs = [Spec(model, weights, layers, facet) for model in models]
    log = terminal.note_printer(quiet)
    options = InferenceOptions(given.pop("engine"), given.pop("device"), given.pop("precision"), log)
    for spec in specs:
        zoo.recipe(spec)  # raises for an unknown name, before the data is read
    question = Question(**given)
    with threadpool_limits(1, user_api="blas"):  # BLAS gains nothing on small problems, and slows the network down
        entries = compare(make_probe(question, log), specs, options, question.seed)
    if as_json:
        print_json({"question": vars(question), "models": entries})
    elif not quiet:
        print_table(question.task, entries)


def print_table(task: str, entries: list[dict[str, Any]]) -> None:
    """Print the figures as a table on stdout, and below it which models could not be compared, and why."""
    from rich.table import Table

    console = terminal.console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    columns = ["model", task, "value", "95 %"]
    if any(entry["start"] for entry in entries):
        columns += ["start", "difference", "95 %"]
    for column in columns:
        table.add_column(column, justify="left" if column in ("model", task) else "right")
    for entry in entries:
        for i, (name, figure) in enumerate(entry["figures"].items()):
            cells = [entry["model"] if i == 0 else "", name, f"{figure['value']:.3f}", _range(figure["interval"], "")]
            if figure["start"] is not None:
                cells += [f"{figure['start']:.3f}", f"{figure['difference']:+.3f}"]
                cells.append(_range(figure["difference_interval"], "+"))
            table.add_row(*cells)
    terminal.print_figures(console, table)
    for entry in entries:
        note = f"start = {entry['start']}" if entry["start"] else f"no comparison: {entry['note']}"
        console.print(f"{entry['model']}: {note}")


def _range(interval: tuple[float, float], sign: str) -> str:
    return " to ".join(f"{end:{sign}.3f}" for end in interval)
