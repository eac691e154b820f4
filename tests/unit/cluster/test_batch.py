"""What a batch plans before it starts workers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from streamseg.cluster.batch import Request, plan
from streamseg.cluster.indexing import index_recordings
from streamseg.config import RunConfig


def loose_and_folders(root: Path) -> tuple[str, ...]:
    """One picture, and two folders of pictures beside it."""
    for name in ("0.png", "a/0.png", "b/0.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.zeros((8, 8, 3), np.uint8))
    return str(root), str(root / "a"), str(root / "b")


def test_a_note_names_folders_that_are_left_out(tmp_path: Path) -> None:
    root, a, b = loose_and_folders(tmp_path / "pictures")
    lines: list[str] = []
    assert [task.job.source for task in plan(Request((root,), "out", RunConfig(source="")), lines.append)] == [root]
    (line,) = lines
    assert line.startswith(f"note: left out of {root}: 2 folders of images (a, b)")
    assert line.endswith(f"add {a} {b}")
    for sources in ((root, a, b), (a, root, b)):
        assert len(plan(Request(sources, "out", RunConfig(source="")), lines.append)) == 3
    assert lines == [line]


def test_an_index_lists_them_as_left_out(tmp_path: Path) -> None:
    root, a, b = loose_and_folders(tmp_path / "pictures")
    left_out = index_recordings([root], tmp_path / "some.index", workers=1)["left_out"]
    assert list(left_out) == [root]
    assert left_out[root].endswith(f"add {a} {b}")
    assert index_recordings([root, a, b], tmp_path / "more.index", workers=1)["left_out"] == {}
