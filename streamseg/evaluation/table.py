"""Print the figures as a table on the terminal: one row for each sequence, and a mean for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from streamseg.evaluation.protocols import figures_of, kinds, needs_of
from streamseg.text import first_few, terminal

UNDEFINED = (
    "-: not defined; all but ARI, ids and own need true objects; ids and own need two frames in a row, ratio true ids"
    " that change, AP scores, and free, IDsw, IDF1 and AP masks of objects"
)
SHARED = ("j", "f", "jf", "ari", "id_changes", "id_ratio")
"""The figures that objects and regions both have; those of regions have the prefix "segments_"."""
HEADS = {
    "best": "best",
    "union": "union",
    "free": "free",
    "j": "J",
    "f": "F",
    "jf": "J&F",
    "ari": "ARI",
    "id_changes": "ids",
    "truth_id_changes": "own",
    "id_ratio": "ratio",
    "id_switches": "IDsw",
    "idf1": "IDF1",
    "ap": "AP",
}
"""Title of the column of each figure."""


def columns(models: Sequence[dict[str, Any]], protocol: str = "") -> dict[str, str]:
    """Return {title of the column: figure} of the protocol or, without one, of the objects, else of the regions."""
    if protocol:
        return {figure.head: name for name, figure in figures_of(protocol).items()}
    prefix = "" if _of_objects(models) else "segments_"
    return {head: prefix + name if name in SHARED else name for name, head in HEADS.items()}


def _of_objects(models: Sequence[dict[str, Any]]) -> bool:
    """Return whether objects were computed: their ARI is defined even if there are no true objects."""
    return any(model["mean"]["ari"] for model in models)


def cell(figure: str, value: dict[str, float] | None, seeds: int = 1) -> str:
    """Format a figure: ".684", with several seeds ".684 ± .012"; changes of ids in percent; "-" for None."""
    if value is None:
        return "-"
    if figure == "id_switches":
        return f"{value['mean']:.3g}" + (f" ± {value['std']:.2g}" if seeds > 1 else "")
    if figure.endswith("id_changes"):
        return f"{100 * value['mean']:.1f} %" + (f" ± {100 * value['std']:.1f}" if seeds > 1 else "")
    if figure.endswith("id_ratio"):
        return f"{value['mean']:.2f}" + (f" ± {value['std']:.2f}" if seeds > 1 else "")
    return _points(value["mean"]) + (f" ± {_points(value['std'])}" if seeds > 1 else "")


def _points(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else f"{value:.2f}"


def explain(models: Sequence[dict[str, Any]], protocol: str = "") -> list[str]:
    """Return the lines below a table, which explain its columns."""
    shown = columns(models, protocol).values()
    sequences = [entry["figures"] for model in models for entry in model["sequences"]]
    undefined = any(figures[name] is None for figures in sequences for name in shown)
    if protocol:
        needs = [f"-: not defined; a sequence needs {needs_of(protocol)}"] if undefined else []
        meanings = [f"{figure.head}: {figure.meaning}" for figure in figures_of(protocol).values()]
        return [kinds()[protocol], *meanings, *needs]
    subject = "objects" if _of_objects(models) else "regions, as no objects were asked for"
    masks = ["best, union: IoU of the best region and of the best union of regions of each frame"]
    if _of_objects(models):
        masks = [
            "best, union: IoU of the best mask and of the best union of masks of each frame: objects, and the regions"
            " around (panoptic)",
            "of the regions alone, as without objects: segments_best, segments_union in --json",
        ]
    return [
        *masks,
        "free: IoU of the union of all objects, which no truth chose",
        f"J, F, ARI, ids: of the {subject}; J&F by the DAVIS rule (ids matched over the whole sequence, all annotated"
        " frames); IoU over the frames with a foreground",
        "ids: pixels that change their id from frame to frame; own: those of the ground truth; ratio: ids / own",
        "IDsw, IDF1: ID switches of true objects, and F of the masks with the right id (IoU at least .5); AP: average"
        " precision of the objects by their scores (COCO)",
        *([UNDEFINED] if undefined else []),
    ]


def print_table(models: Sequence[dict[str, Any]], seeds: int, protocol: str = "") -> None:
    """Print the table on stdout. models: as in `streamseg eval --json`. protocol: prints its figures; "" = ours."""
    console = terminal.console()
    shown = columns(models, protocol)
    for model in models:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title_justify="left", title_style="bold")
        table.title = model["model"]
        table.add_column("sequence")
        for head in ("frames", *shown):
            table.add_column(head, justify="right")
        for entry in model["sequences"]:
            cells = [cell(figure, entry["figures"][figure], seeds) for figure in shown.values()]
            table.add_row(entry["name"], str(entry["frames"]), *cells)
        if len(model["sequences"]) > 1:
            table.add_section()
            cells = [cell(figure, model["mean"][figure], seeds) for figure in shown.values()]
            table.add_row("mean", str(sum(entry["frames"] for entry in model["sequences"])), *cells, style="bold")
        terminal.print_figures(console, table)
        for line in unscored(model):
            console.print(line, style="yellow")
        console.print()
    for line in explain(models, protocol):
        console.print(line, style="dim")


def unscored(model: dict[str, Any]) -> list[str]:
    """Return one line for each sequence and reason why frames were not scored, with the names of these frames."""
    lines = []
    for entry in model["sequences"]:
        groups = {f"not scored, {reason}": names for reason, names in entry["unscored"].items()}
        if entry["missing"]:
            groups["have no mask and count as empty"] = entry["missing"]
        for what, names in groups.items():
            frames = f"{len(names)} frame{'s' if len(names) > 1 else ''}"
            lines.append(f"{entry['name']}: {frames} {what}: {first_few(names, 6)}")
    return lines


def print_report_table(result: dict[str, Any], seeds: int) -> None:
    """Print Table 1 of the report on stdout. result: of `report_table.report_table`."""
    console = terminal.console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("network")
    for column in result["columns"]:
        table.add_column(column, justify="right")
    for row in result["rows"]:
        table.add_row(row["name"], *(cell("best", row["cells"][column], seeds) for column in result["columns"]))
    terminal.print_figures(console, table)
    for note in result["notes"]:
        console.print(note, style="yellow")
    lines = (
        "mean over the sequences of the IoU of the best single region of each frame; shorter side of the input, PCA"
        " components",
        "K-Means and knee on each frame by itself, last map of the network, enlarged without a guide",
    )
    for line in lines:
        console.print(line, style="dim")
