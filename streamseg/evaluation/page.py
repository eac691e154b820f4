"""Write an evaluation as one HTML page: table, best and worst frames, tables of the objects, distortion curves.

The page loads no other files, and is light or dark according to the settings of its reader.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamseg.evaluation import table
from streamseg.evaluation.gallery import Example, Gallery
from streamseg.evaluation.instances.object_tables import object_tables
from streamseg.masks.encoding import jpeg

STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --soft: #555; --line: #ddd; --back: #fff; --blue: #0072B2;
        --red: #D55E00; --warning: #9a4b00; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8e8; --soft: #a8a8a8; --line: #3c3c3c; --back: #161616; --blue: #56B4E9; --red: #E69F00;
          --warning: #E69F00; }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 clamp(.8rem, 3vw, 1.5rem);
       color: var(--text); background: var(--back); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; } h4 { font-size: .9rem; margin: 1rem 0 .3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tr.mean td { font-weight: 600; border-top: 2px solid var(--soft); }
.row { display: flex; flex-wrap: wrap; gap: .6rem; align-items: flex-start; margin-bottom: .6rem; }
.row figure { flex: 1 1 9rem; } img { display: block; width: 100%; } svg { max-width: 100%; height: auto; }
figure { margin: 0; } figcaption { font-size: .8rem; line-height: 1.3; color: var(--soft); }
.objects th, .objects td { text-align: left; padding: .4rem .6rem; } .objects .row { flex-wrap: nowrap; margin: 0; }
.objects figure { flex: none; min-width: 6.2rem; } .objects img { width: auto; }
.objects figcaption { font-size: .7rem; white-space: normal; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border: 1px solid var(--line); }
.chart { display: block; } .chart path { fill: none; } .axis, .half { stroke: var(--line); }
.half { stroke-dasharray: 3 3; } .line { stroke: var(--blue); stroke-width: 2; stroke-linecap: round; }
.change { fill: none; stroke: var(--red); stroke-width: 2; }
.note { color: var(--soft); font-size: .85rem; margin: .4rem 0; } .warning { color: var(--warning); }
"""


def page(result: dict[str, Any], title: str) -> str:
    """Return the page as HTML. result: of `command.evaluate` with pictures."""
    seeds, protocol = len(result["seeds"]), result.get("protocol", "")
    body = [f"<h1>{html.escape(title)}</h1>"]
    for model in result["models"]:
        body += [
            f"<h2>{html.escape(model['model'])}</h2>",
            _table(model, table.columns(result["models"], protocol), seeds),
        ]
        body += [f'<p class="warning">{html.escape(line)}</p>' for line in table.unscored(model)]
    body += [f'<p class="note">{html.escape(line)}</p>' for line in table.explain(result["models"], protocol)]
    for model in result["models"]:
        body.append(f"<h2>{html.escape(model['model'])}: frames</h2>")
        for entry in model["sequences"]:
            body += [f"<h3>{html.escape(entry['name'])}</h3>", *_examples(entry["gallery"])]
            if "objects" in entry:
                body += object_tables(entry["objects"], _figure)
            if "curve" in entry:
                caption = "K-Means distortion (mean squared distance of a cell to its centroid) over k"
                body.append(f"<figure>{curve(**entry['curve'])}<figcaption>{caption}</figcaption></figure>")
    view = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f"{view}<title>{html.escape(title)}</title><style>{STYLE}</style>"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def _table(model: dict[str, Any], columns: dict[str, str], seeds: int) -> str:
    def row(name: str, frames: int, figures: dict[str, Any], kind: str = "") -> str:
        cells = [table.cell(figure, figures[figure], seeds) for figure in columns.values()]
        inner = "".join(f"<td>{html.escape(str(text))}</td>" for text in (name, frames, *cells))
        return f"<tr{kind}>{inner}</tr>"

    heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in ("sequence", "frames", *columns))
    rows = [row(entry["name"], entry["frames"], entry["figures"]) for entry in model["sequences"]]
    frames = sum(entry["frames"] for entry in model["sequences"])
    mean = row("mean", frames, model["mean"], ' class="mean"')
    return f'<div class="scroll"><table><tr>{heads}</tr>{"".join(rows)}{mean}</table></div>'


def _examples(gallery: Gallery) -> list[str]:
    rows = []
    for title, example in (("worst", gallery.worst), ("best", gallery.best)):
        if example is not None:
            rows.append(f'<div class="row">{_pictures(title, example)}</div>')
    return rows


def _pictures(title: str, example: Example) -> str:
    rule = "objects" if example.rule == "free" else "best region"
    shown = {
        f"{title}: {example.name}, IoU of the {rule} {example.value:.3f}": example.rgb,
        "truth": example.truth,
        "regions": example.regions,
        "objects": example.objects,
    }
    return "".join(_figure(text, picture) for text, picture in shown.items() if picture is not None)


def _figure(caption: str, picture: np.ndarray) -> str:
    text = html.escape(caption)
    image = f'<img alt="{text}" src="{_data(picture)}">'
    return f'<figure style="max-width: {picture.shape[1]}px">{image}<figcaption>{text}</figcaption></figure>'


def _data(rgb: np.ndarray) -> str:
    """Encode an (H, W, 3) uint8 RGB image as a data: URL."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(rgb, quality=88)).decode()


def curve(k: Sequence[int], distortion: Sequence[float], knee: int, by: str) -> str:
    """Draw the distortion over k as SVG, with the knee marked. by: how it was found, see `knee.Knee`."""
    width, height, left, right, top, bottom = 380, 170, 46, 12, 14, 24
    lowest, highest = min(distortion), max(distortion)
    span = (highest - lowest) or 1.0

    def to_pixels(number: int, value: float) -> tuple[float, float]:
        across = (number - k[0]) / max(1, k[-1] - k[0])
        down = (highest - value) / span
        return left + across * (width - left - right), top + down * (height - top - bottom)

    points = [to_pixels(number, value) for number, value in zip(k, distortion, strict=True)]
    x, y = to_pixels(knee, distortion[list(k).index(knee)])
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    ticks = "".join(
        f'<text x="{px:.1f}" y="{height - 8}" text-anchor="middle">{n}</text>'
        for n, (px, _) in list(zip(k, points, strict=True))[:: 1 + len(k) // 20]
    )
    dots = "".join(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.5" fill="var(--blue)"/>' for px, py in points)
    base = height - bottom
    how = {"knee": "the knee", "chord": "the knee, by the chord", "only": "no choice"}.get(by, by)
    label = f"{how}: k = {knee}"
    start = min(x + 10, width - right - 6 * len(label))  # 6 pixels a letter, so that it ends in the picture
    across, down = zip(*points, strict=True)
    above = min(y, float(np.interp(start, across, down))) - 8  # the curve falls: under the label it is highest there
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="11" fill="currentColor" '
        f'aria-label="K-Means distortion over k, {how} at {knee}">'
        f'<path d="M{left},{top} V{base} H{width - right}" fill="none" stroke="var(--soft)"/>'
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{base}" stroke="var(--red)" stroke-dasharray="4 3"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--blue)" stroke-width="2"/>{dots}'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="var(--red)" stroke-width="2"/>'
        f'<text x="{start:.1f}" y="{max(above, 12):.1f}">{html.escape(label)}</text>{ticks}'
        f'<text x="{left - 5}" y="{top + 4}" text-anchor="end">{highest:.3f}</text>'
        f'<text x="{left - 5}" y="{base}" text-anchor="end">{lowest:.3f}</text></svg>'
    )
