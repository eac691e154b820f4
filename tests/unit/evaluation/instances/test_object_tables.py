"""The tables of objects on the page: a row for each object, and a chart whose line follows the IoU."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from streamseg.evaluation.instances.object_tables import HEIGHT, MAX_ROWS, WIDTH, chart, object_tables
from streamseg.evaluation.instances.tracks import ObjectTracks, Track
from tests.unit.evaluation.instances.test_tracks import at, tracked


def figure(caption: str, picture: np.ndarray) -> str:
    assert picture.dtype == np.uint8
    return f"<figure>{caption}</figure>"


def cells(text: str) -> list[list[str]]:
    """The text of each row of a table."""
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", text, re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row.split("</td><td>")] for row in rows]


def test_a_row_for_each_object() -> None:
    tracks = tracked([(at(10, 4), at(10, 1)), (at(10, 6), at(10, 1))])
    parts = object_tables(tracks, figure)
    true, found = (cells(part) for part in parts if part.startswith("<div"))
    assert [row[0] for row in true] == ["largest: frame0worst, IoU 1.00: frame0"]
    assert [row[1:] for row in true] == [["1", "4", "1.00", "", "0.40", "20 × 20 pixels", "–", "2", "1"]]
    assert [row[1:4] for row in found] == [["4", "object 1", "1.00"], ["6", "object 1", "1.00"]]
    assert [row[5] for row in found] == ["0.40", "0.60"]


def test_the_number_of_rows_is_limited() -> None:
    tracks = ObjectTracks()
    tracks.frames = 3
    for i in range(1, MAX_ROWS + 6):
        tracks.found[i] = Track(i, {0: 0.0}, seen=1, sizes=[(2.0, 3.0)])
    text = "".join(object_tables(tracks, figure))
    assert text.count("<tr><td>") == MAX_ROWS
    assert "5 more are seen in fewer frames" in text
    assert object_tables(ObjectTracks(), figure) == []


def test_the_line_of_a_chart() -> None:
    track = Track(1, {0: 1.0, 1: 0.0, 3: 0.5}, {0: 4, 3: 6})
    text = chart(track, 5).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    root = ElementTree.fromstring(text)
    (line,) = (path.get("d") for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("class") == "line")
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+),([\d.]+)", str(line))]
    assert points[0] == (4, 4)
    assert points[1][1] == HEIGHT - 4
    assert points[2] == pytest.approx((4 + 0.75 * (WIDTH - 8), HEIGHT / 2))
    assert str(line).count("M") == 2  # a gap where the object is not there
    (dot,) = root.iter("{http://www.w3.org/2000/svg}circle")
    assert float(str(dot.get("cx"))) == pytest.approx(points[2][0], abs=0.1)
