"""The page of a batch: its table, and each run by its name, over HTTP; no name reaches the disk that is not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.config import SourceConfig
from streamseg.errors import SourceError
from streamseg.viewing.collection import MAX_OPEN, Collection
from streamseg.viewing.recorded import Recorded, open_recorded
from streamseg.viewing.server import PageServer

from .conftest import ask, unpacked

NAMES = [f"r{number}" for number in range(MAX_OPEN + 2)]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a batch of recordings of one colour each, one that failed, and one whose source has gone."""
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), np.full((32, 48, 3), 20 * number, np.uint8))

    def opener(name: str) -> Recorded:
        if name == "gone":
            raise SourceError("its recording has gone", "")
        return open_recorded(str(tmp_path / name), SourceConfig())

    rows = [{"name": name, "status": "done", "frames": 1} for name in (*NAMES, "gone")]
    rows.append({"name": "<b>bad</b>", "status": "failed", "frames": 0})
    collection = Collection("out", rows, opener)
    server = PageServer("batch.html", collection.gets, port=0, others=("recorded.html",))
    yield server.port
    server.close()
    collection.close()


def test_the_table_has_every_recording(port: int) -> None:
    said = json.loads(ask(port, "/recordings").body)
    assert [row["name"] for row in said["rows"]] == [*NAMES, "gone", "<b>bad</b>"]
    assert b"batch.js" in ask(port, "/").body
    assert b"recorded.js" in ask(port, "/recorded.html?of=r0").body


def test_each_run_comes_by_its_name(port: int) -> None:
    for number, name in [*enumerate(NAMES), (0, NAMES[0])]:  # more than are kept, and one of them again
        assert json.loads(ask(port, f"/about?of={name}").body)["runs"][0]["names"] == ["0"]
        _, pictures = unpacked(ask(port, f"/moment?run=0&at=0&layer=none&of={name}").body)
        assert abs(int(pictures["colour"].mean()) - 20 * number) <= 2


@pytest.mark.parametrize("name", ["", "r99", "../r0", "%2e%2e/r0", "<b>bad</b>", "gone"])
def test_what_is_not_done_is_refused(port: int, name: str) -> None:
    for path in ("/about", "/moment", "/survey"):
        assert ask(port, f"{path}?of={name}").status == 400
