"""The command `streamseg eval`: segments annotated recordings and scores the masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import (
    behaviour_options,
    clustering_options,
    frames_options,
    network_options,
    print_json,
    quality_option,
    source_options,
)


@click.command("eval", cls=Command)
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@option(
    "--batch",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    group="Input",
    help="Score the masks that `streamseg batch -o DIR` wrote, instead of SOURCEs.",
)
@option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|timm:NAME|FILE",
    help="Backbone, as in `run`; may be given several times.  [default: efficientnet_lite0]",
)
@option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="Repeat with seeds --seed, --seed + 1, ... and print mean and standard deviation.",
)
@option(
    "--masks",
    type=click.Path(path_type=Path),
    metavar="DIR",
    group="Input",
    help="Score the masks in this folder, named like the frames. A model is scored beside them only with --model.",
)
@option(
    "--protocol",
    type=click.Choice(["davis16", "davis17u", "uois"]),
    default=None,
    help="Score objects by the protocol of a benchmark: DAVIS-2016, DAVIS-2017 unsupervised, or unseen object instance "
    "segmentation (UOIS).  [default: none]",
)
@option(
    "--singly",
    is_flag=True,
    help="Segment each frame on its own, without memory of the frames before.",
)
@option(
    "--report",
    is_flag=True,
    help="Reproduce Table 1 of the report: each model beside its frozen start, at 256 and 512, with and without PCA.",
)
@option(
    "--objects/--no-objects",
    default=True,
    show_default=True,
    help="Also find and score objects; some exported networks cannot.",
)
@option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write an HTML page: tables, best and worst frames, each object, distortion curves.",
)
@network_options
@clustering_options
@quality_option
@source_options
@frames_options
@behaviour_options
def evaluate(sources: Sequence[str], as_json: bool, quiet: bool, **given: Any) -> None:  # fmt: skip
    """Score masks against the ground truth of SOURCEs: CO3D, DAVIS, or any folder or video with masks/.

    It prints the IoU of the best mask (object or region), of the best union of masks and of all objects; J&F as DAVIS
    defines it; the adjusted Rand index; changes of ids; average precision. Void pixels (255) and frames without ground
    truth do not count.
    """
    report, page, batch = given.pop("report"), given.pop("page"), given.pop("batch")
    _require_fitting_flags(sources, batch, report, page, given)
    from streamseg.cli import progress
    from streamseg.evaluation import command, of_batch, table
    from streamseg.evaluation.report_table import report_table
    from streamseg.evaluation.request import request
    from streamseg.evaluation.scoring import Listener
    from streamseg.runtime.folder import check_writable

    given["protocol"] = given["protocol"] or ""
    wanted = request(sources, given | ({"masks": batch} if batch else {}))
    if page is not None and not page.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(page.parent)!r}", param_hint="--html")
    if page is not None:
        check_writable(page.absolute().parent)
    with progress.Display(quiet) as display:
        listener = Listener(display.log, display.begin, display.update)
        if report:
            result = report_table(wanted, listener)
        elif batch:
            result = of_batch.evaluate(batch, listener, for_page=page is not None, protocol=wanted.protocol)
        else:
            result = command.evaluate(wanted, listener, for_page=page is not None)
    if report:
        if as_json:
            print_json(result)
        else:
            table.print_report_table(result, wanted.seeds)
        return
    if page is not None:
        _write_page(page, result, "Masks against ground truth: " + ", ".join(result["sequences"]))
        display.log(f"page: {page}")
    for model in result["models"]:
        for sequence in model["sequences"]:
            for for_page_only in ("gallery", "objects"):
                sequence.pop(for_page_only, None)
    if as_json:
        print_json(result)
    else:
        table.print_table(result["models"], wanted.seeds, wanted.protocol)


def _require_fitting_flags(
    sources: Sequence[str], batch: Path | None, report: bool, page: Path | None, given: dict[str, Any]
) -> None:
    """Raise click.UsageError for flags that exclude each other."""
    if bool(sources) == bool(batch):
        raise click.UsageError("give SOURCEs, or --batch" if batch else "Missing argument 'SOURCE...'.")
    if batch and (report or given["masks"] or given["models"] or given["singly"]):
        raise click.UsageError("--batch scores the masks that are there: no --model, --masks, --report or --singly")
    if report and (page or given["masks"] or given["protocol"] or given["singly"]):
        raise click.UsageError("--report goes with neither --html, --masks, --protocol nor --singly")
    if given["protocol"] and not given["objects"]:
        raise click.UsageError("--protocol scores objects: leave --no-objects out")
    if given["weights"] and len(given["models"]) > 1:
        raise click.UsageError("--weights goes with one --model")


def _write_page(path: Path, result: dict[str, Any], title: str) -> None:
    """Write the HTML page atomically."""
    from streamseg.evaluation.page import page
    from streamseg.files import written

    with written(path) as temporary:
        temporary.write_text(page(result, title), encoding="utf-8", errors="backslashreplace")
