"""The index has the recordings that opening them finds, is resumed after a kill, and reports that it is out of date."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.cluster import indexing
from streamseg.cluster.indexing import index_recordings
from streamseg.errors import OutputError, SourceError
from streamseg.sources import Skip, expansion, open_source
from streamseg.sources.index import open_all
from streamseg.sources.reading import recording_index
from streamseg.sources.reading.recording_index import open_index
from train.data.fingerprint import fingerprint
from train.data.recordings import open_recordings


def recording(folder: Path, frames: int = 3) -> Path:
    folder.mkdir(parents=True)
    for frame in range(frames):
        cv2.imwrite(str(folder / f"{frame}.png"), np.full((20, 30, 3), frame, np.uint8))
    return folder


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(5):
        recording(tmp_path / "many" / f"r{number}", 2 + number)
    (tmp_path / "many" / "broken").mkdir()
    (tmp_path / "many" / "broken" / "clip.mp4").write_bytes(b"no video")
    return tmp_path / "many"


def test_the_index_has_the_recordings_that_opening_them_finds(many: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "some.index"
    result = index_recordings([str(many)], path, workers=2)
    assert (result["recordings"], result["frames"], list(result["left_out"])) == (
        5,
        20,
        [str(many / "broken")],
    )
    lost: list[Skip] = []
    found, whole = open_recordings([f"index:{path}"], lost.append), open_recordings([str(many)])
    assert [skip.name for skip in lost] == [str(many / "broken")]
    assert [(one.uri, one.kind, len(one)) for one in found] == [(one.uri, one.kind, len(one)) for one in whole]
    assert fingerprint(found) == fingerprint(whole)
    again = pickle.loads(pickle.dumps(found[3]))
    assert (again.name_of(4), again[4].name) == ("4", "4")
    assert np.array_equal(again[4].rgb, whole[3][4].rgb)
    with pytest.raises(IndexError):
        again[5]


def test_a_batch_gets_the_recordings_themselves(many: Path, tmp_path: Path) -> None:
    index_recordings([str(many)], tmp_path / "i", workers=1)
    good = [str(many / f"r{number}") for number in range(5)]
    assert expansion.expand([f"index:{tmp_path / 'i'}"]) == expansion.expand([str(tmp_path / "i")]) == good
    assert open_source(f"index:{tmp_path / 'i'}#r2").uri == good[2]
    with pytest.raises(SourceError, match="5 recordings"):
        open_source(str(tmp_path / "i"))
    with pytest.raises(SourceError, match="no recording 'r9'"):
        open_source(f"index:{tmp_path / 'i'}#r9")


def test_only_new_and_changed_recordings_are_opened_again(many: Path, tmp_path: Path) -> None:
    path = tmp_path / "i"
    assert index_recordings([str(many)], path, workers=1)["looked_at"] == 6
    assert index_recordings([str(many)], path, workers=1)["looked_at"] == 0
    cv2.imwrite(str(many / "r1" / "7.png"), np.zeros((20, 30, 3), np.uint8))
    shutil.rmtree(many / "r4")
    with pytest.raises(SourceError, match="out of date") as caught:
        open_all(str(path))
    assert "streamseg data index" in caught.value.hint
    recording(many / "r0a")
    result = index_recordings([str(many)], path, workers=1)
    assert (result["looked_at"], result["recordings"], result["frames"]) == (2, 5, 2 + 3 + 4 + 4 + 5)
    assert [Path(one.uri).name for one in open_all(str(path))] == ["r0", "r0a", "r1", "r2", "r3"]


KILLED = """
import os, sys
from pathlib import Path
from streamseg.cluster import indexing
describe = indexing._describe
def dies(uri):
    if uri.endswith("r3"):
        os._exit(9)
    return describe(uri)
indexing._describe, indexing.CHUNK = dies, 1
indexing.index_recordings([sys.argv[1]], Path(sys.argv[2]), workers=1)
"""


def test_a_killed_run_is_resumed(many: Path, tmp_path: Path) -> None:
    path = tmp_path / "i"
    assert subprocess.run([sys.executable, "-c", KILLED, many, path], check=False).returncode == 9
    assert not path.exists()
    assert 0 < index_recordings([str(many)], path, workers=1)["looked_at"] < 6
    assert sorted(one.name for one in tmp_path.iterdir()) == ["i", "many"]
    index_recordings([str(many)], tmp_path / "whole", workers=1)
    assert list(map(str, open_index(path).names)) == open_index(tmp_path / "whole").names


def test_two_runs_at_once_and_other_files_are_refused(many: Path, tmp_path: Path) -> None:
    database = indexing._open_database(tmp_path / ".i.building")
    with pytest.raises(OutputError, match="locked"):
        index_recordings([str(many)], tmp_path / "i", workers=1)
    database.close()
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputError, match="not an index"):
        index_recordings([str(many)], tmp_path / "diary.txt", workers=1)
    index_recordings([str(many)], tmp_path / "i", workers=1)
    for size in (20_000, 5000):
        os.truncate(tmp_path / "i", size)
        recording_index._opened.cache_clear()  # as in another process
        with pytest.raises(SourceError, match="cannot be read"):
            open_all(str(tmp_path / "i"))


def test_a_full_disk_leaves_the_old_index(many: Path, tmp_path: Path, full_disk: Any) -> None:
    path = tmp_path / "i"
    index_recordings([str(many)], path, workers=1)
    before = path.read_bytes()
    recording(many / "r9", 50)
    with full_disk(8192), pytest.raises(OutputError, match="cannot write"):
        index_recordings([str(many)], path, workers=1)
    assert path.read_bytes() == before
    assert index_recordings([str(many)], path, workers=1)["recordings"] == 6
