"""Write the objects of a sequence as HTML tables, for the page of an evaluation: one of true, one of found objects."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from streamseg.evaluation.instances.identity import AGREES
from streamseg.evaluation.instances.tracks import ObjectTracks, Track
from streamseg.masks import palette

MAX_ROWS = 24
"""A table shows only so many objects, those that are in the most frames."""
WIDTH, HEIGHT = 220, 56
"""Pixels of a chart."""

Figure = Callable[[str, np.ndarray], str]
"""Returns the HTML of an RGB image with a caption."""


def object_tables(tracks: ObjectTracks, figure: Figure) -> list[str]:
    """Return the HTML of both tables; [] if no objects were computed."""
    if not tracks.frames:
        return []
    tracks.finish()
    scores = {i: track.scores for i, track in tracks.found.items()}
    true = [_true_row(track, scores, tracks.frames, figure) for track in _shown(tracks.true)]
    found = [_found_row(track, tracks.frames, figure) for track in _shown(tracks.found)]
    heads = ("", "object", "found as", "IoU", "IoU by frame", "score", "size", "distance", "frames", "ID switches")
    return [
        "<h4>True objects</h4>",
        _table(heads, true, len(tracks.true)),
        "<h4>Objects found</h4>",
        _table(("", "id", "agrees with", *heads[3:-1]), found, len(tracks.found)),
    ]


def _shown(tracks: dict[int, Track]) -> list[Track]:
    longest = sorted(tracks.values(), key=lambda track: (-track.seen, track.id))[:MAX_ROWS]
    return sorted(longest, key=lambda track: track.id)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], count: int) -> str:
    if not rows:
        return '<p class="note">none</p>'
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    more = f'<p class="note">{count - len(rows)} more are seen in fewer frames</p>' if count > len(rows) else ""
    return f'<div class="scroll"><table class="objects"><tr>{head}</tr>{body}</table></div>{more}'


def _true_row(track: Track, scores: dict[int, list[float]], frames: int, figure: Figure) -> list[str]:
    """Return the cells of a true object. scores: of the found objects, by id."""
    partner = track.partner
    if partner is None:
        return [*_row(track, "nothing", [], frames, figure), str(track.switches)]
    name = f"{_swatch(partner)}{partner}"
    return [*_row(track, name, scores.get(partner, []), frames, figure), str(track.switches)]


def _found_row(track: Track, frames: int, figure: Figure) -> list[str]:
    """Return the cells of a found object."""
    partner = track.partner
    name = "no object" if partner is None else f"{_swatch(partner)}object {partner}"
    return _row(track, name, track.scores, frames, figure)


def _row(track: Track, partner: str, scores: Sequence[float], frames: int, figure: Figure) -> list[str]:
    """Return the cells that both tables have. partner: HTML with the name of the partner."""
    return [
        _pictures(track, figure),
        f"{_swatch(track.id)}{track.id}",
        partner,
        _mean(list(track.iou.values())),
        chart(track, frames),
        _mean(scores),
        *_size_and_distance(track),
        str(track.seen),
    ]


def _size_and_distance(track: Track) -> tuple[str, str]:
    """Return the median size and the median distance over the frames, with their units."""
    sides = np.median(np.array(track.sizes, float), axis=0)
    if track.metric and len(sides) == 3:
        size = " × ".join(f"{100 * side:.0f}" for side in sides) + " cm"
    else:
        size = " × ".join(f"{side:.0f}" for side in sides[:2]) + " pixels"
    distance = f"{np.median(track.distances):.2f} m" if track.distances else "–"
    return size, distance


def _pictures(track: Track, figure: Figure) -> str:
    shown = [figure(*track.pictures[kind]) for kind in sorted(track.pictures)]
    return f'<div class="row">{"".join(shown)}</div>'


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f}" if values else "–"


def _swatch(i: int) -> str:
    red, green, blue = palette.distinct()[i].tolist()
    return f'<span class="swatch" style="background: rgb({red}, {green}, {blue})"></span>'


def chart(track: Track, frames: int) -> str:
    """Draw the IoU over the frames as SVG, 0 at the bottom and 1 at the top.

    The line has a gap in frames without the object, and a ring where the partner changes.
    """

    def to_pixels(place: int, iou: float) -> tuple[float, float]:
        return 4 + place / max(1, frames - 1) * (WIDTH - 8), HEIGHT - 4 - iou * (HEIGHT - 8)

    lines, previous = [], -2
    for place, iou in track.iou.items():
        x, y = to_pixels(place, iou)
        if place == previous + 1:
            lines.append(f"L{x:.1f},{y:.1f}")
        else:
            lines.append(f"M{x:.1f},{y:.1f}h.01")  # a short line, so that a single frame is visible
        previous = place
    partners = list(track.partners.items())
    changes = [to_pixels(place, track.iou[place]) for (_, old), (place, new) in pairwise(partners) if old != new]
    rings = "".join(f'<circle class="change" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in changes)
    _, middle = to_pixels(0, AGREES)
    text = html.escape(
        f"IoU over {frames} frames, mean {_mean(list(track.iou.values()))}, {len(changes)} changes of id"
    )
    return (
        f'<svg class="chart" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{text}"><path class="axis" d="M4,4H{WIDTH - 4}M4,{HEIGHT - 4}H{WIDTH - 4}"/>'
        f'<path class="half" d="M4,{middle}H{WIDTH - 4}"/><path class="line" d="{"".join(lines)}"/>{rings}</svg>'
    )
