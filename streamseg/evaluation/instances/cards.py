"""The objects of a sequence on the page of an evaluation: a row for each true one, and for each that was found."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from streamseg.evaluation.instances.identity import AGREES
from streamseg.evaluation.instances.survey import ObjectSurvey, Track
from streamseg.masks import palette

MOST = 24
"""Rows of a table; of more objects those that are seen longest."""
WIDTH, HEIGHT = 220, 56

Figure = Callable[[str, np.ndarray], str]


def cards(survey: ObjectSurvey, figure: Figure) -> list[str]:
    """HTML of both tables; nothing where no objects were looked for. figure: makes <figure> of a caption and an RGB
    picture."""
    if not survey.frames:
        return []
    survey.finish()
    scores = {i: track.scores for i, track in survey.found.items()}
    true = [_of_truth(track, scores, survey.frames, figure) for track in _shown(survey.true)]
    found = [_of_found(track, survey.frames, figure) for track in _shown(survey.found)]
    heads = ("", "object", "found as", "IoU", "IoU by frame", "score", "size", "distance", "frames", "ID switches")
    return [
        "<h4>True objects</h4>",
        _table(heads, true, len(survey.true)),
        "<h4>Objects found</h4>",
        _table(("", "id", "agrees with", *heads[3:-1]), found, len(survey.found)),
    ]


def _shown(tracks: dict[int, Track]) -> list[Track]:
    longest = sorted(tracks.values(), key=lambda one: (-one.seen, one.id))[:MOST]
    return sorted(longest, key=lambda one: one.id)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], count: int) -> str:
    if not rows:
        return '<p class="note">none</p>'
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    more = f'<p class="note">{count - len(rows)} more are seen in fewer frames</p>' if count > len(rows) else ""
    return f'<div class="scroll"><table class="objects"><tr>{head}</tr>{body}</table></div>{more}'


def _of_truth(track: Track, scores: dict[int, list[float]], frames: int, figure: Figure) -> list[str]:
    partner = track.partner
    named, own = ("nothing", []) if partner is None else (f"{_swatch(partner)}{partner}", scores.get(partner, []))
    return [*_row(track, named, own, frames, figure), str(track.switches)]


def _of_found(track: Track, frames: int, figure: Figure) -> list[str]:
    partner = track.partner
    named = "no object" if partner is None else f"{_swatch(partner)}object {partner}"
    return _row(track, named, track.scores, frames, figure)


def _row(track: Track, partner: str, scores: Sequence[float], frames: int, figure: Figure) -> list[str]:
    """What both tables show. partner: HTML of what it agrees with."""
    return [
        _pictures(track, figure),
        f"{_swatch(track.id)}{track.id}",
        partner,
        _share(list(track.iou.values())),
        chart(track, frames),
        _share(scores),
        *_facts(track),
    ]


def _facts(track: Track) -> list[str]:
    """Size, distance and frames, as medians."""
    size = np.median(np.array(track.sizes, float), axis=0)
    if track.metric and len(size) == 3:
        told = " × ".join(f"{100 * side:.0f}" for side in size) + " cm"
    else:
        told = " × ".join(f"{side:.0f}" for side in size[:2]) + " pixels"
    distance = f"{np.median(track.distances):.2f} m" if track.distances else "–"
    return [told, distance, str(track.seen)]


def _pictures(track: Track, figure: Figure) -> str:
    shown = [figure(text, track.pictures[text]) for text in sorted(track.pictures)]
    return f'<div class="row">{"".join(shown)}</div>'


def _share(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f}" if values else "–"


def _swatch(i: int) -> str:
    red, green, blue = palette.distinct()[i].tolist()
    return f'<span class="swatch" style="background: rgb({red}, {green}, {blue})"></span>'


def chart(track: Track, frames: int) -> str:
    """An SVG of the IoU over the frames, 0 below and 1 above; gaps where the object is not in the frame, dots where
    what it agrees with has changed."""

    def at(place: int, value: float) -> tuple[float, float]:
        return 4 + place / max(1, frames - 1) * (WIDTH - 8), HEIGHT - 4 - value * (HEIGHT - 8)

    lines, before = [], -2
    for place, value in track.iou.items():
        x, y = at(place, value)
        lines.append(f"{'L' if place == before + 1 else 'M'}{x:.1f},{y:.1f}" + ("h.01" if place != before + 1 else ""))
        before = place
    names = list(track.partners.items())
    changed = [at(place, track.iou[place]) for (_, old), (place, new) in pairwise(names) if old != new]
    dots = "".join(f'<circle class="change" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in changed)
    _, middle = at(0, AGREES)
    text = html.escape(
        f"IoU over {frames} frames, mean {_share(list(track.iou.values()))}, {len(changed)} changes of id"
    )
    return (
        f'<svg class="chart" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{text}"><path class="axis" d="M4,4H{WIDTH - 4}M4,{HEIGHT - 4}H{WIDTH - 4}"/>'
        f'<path class="half" d="M4,{middle}H{WIDTH - 4}"/><path class="line" d="{"".join(lines)}"/>{dots}</svg>'
    )
