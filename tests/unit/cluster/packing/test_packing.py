"""Shards contain what was packed: read by frame, by WebDataset, after a stop, and with broken recordings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.cluster import packing
from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from streamseg.errors import OutputError, SourceError
from streamseg.frame import Frame
from streamseg.sources import open_source
from streamseg.sources.reading.shard_index import FRAME, RECORDING, open_index
from streamseg.sources.shards import open_all

SAMPLE = Path(__file__).resolve().parents[4] / "samples" / "tabletop"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    pack([str(SAMPLE)], folder, PackOptions(side=120, jpeg_quality=95, every=4), per_shard=1, workers=1)
    return folder


def test_frames_come_back_smaller_with_mask_depth_and_camera(shards: Path) -> None:
    packed, whole = open_source(f"shards:{shards}"), open_source(str(SAMPLE))
    assert packed.uri.endswith("#tabletop")
    for number, index in enumerate(whole.coming(4)):  # type: ignore[union-attr]
        small, large = packed[number], whole[index]  # type: ignore[index]
        assert small.rgb.shape == (120, 160, 3)
        wanted = cv2.resize(large.rgb, (160, 120), interpolation=cv2.INTER_AREA)
        assert np.abs(small.rgb.astype(int) - wanted).mean() < 3
        assert small.timestamp == large.timestamp
        assert set(np.unique(small.annotation)) <= set(np.unique(large.annotation))
        assert np.count_nonzero(small.annotation) > 0
        depth = cv2.resize(large.depth, (160, 120), interpolation=cv2.INTER_NEAREST)
        assert np.abs(small.depth - depth).max() <= 0.0006
        assert small.intrinsics is not None
        assert large.intrinsics is not None
        assert small.intrinsics.fx == pytest.approx(large.intrinsics.fx * 160 / large.rgb.shape[1])


def test_webdataset_reads_the_shards(shards: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    (path,) = shards.glob("*.tar")
    found: list[dict[str, Any]] = list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert [one["__key__"] for one in found] == [f"tabletop/{number:06d}" for number in range(len(found))]
    frames = open_all(str(shards))[0]
    assert len(found) == len(frames)
    for one, number in zip(found, range(len(frames))):
        frame: Frame = frames[number]
        bgr = cv2.imdecode(np.frombuffer(one["jpg"], np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(bgr[:, :, ::-1], frame.rgb)
        mask = cv2.imdecode(np.frombuffer(one["mask.png"], np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(mask, frame.annotation)
        assert json.loads(one["json"])["timestamp"] == frame.timestamp


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(5):
        folder = tmp_path / "many" / f"r{number}"
        folder.mkdir(parents=True)
        for frame in range(3):
            cv2.imwrite(str(folder / f"{frame}.png"), np.full((20, 30, 3), 10 * number + frame, np.uint8))
    (tmp_path / "many" / "broken").mkdir()
    (tmp_path / "many" / "broken" / "0.png").write_bytes(b"no picture")
    return tmp_path / "many"


def test_a_stopped_packing_is_resumed_with_the_same_result(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = pack([str(many)], tmp_path / "whole", PackOptions(), per_shard=2, workers=1)
    assert (result["recordings"], result["frames"], result["shards"]) == (5, 15, 3)
    assert list(result["left_out"]) == ["broken"]
    made = packing.pack_shard

    def stops(group: Any, path: Path, number: int, options: PackOptions) -> Any:
        if number == 1:
            raise KeyboardInterrupt
        return made(group, path, number, options)

    monkeypatch.setattr(packing, "pack_shard", stops)
    with pytest.raises(KeyboardInterrupt):
        pack([str(many)], tmp_path / "again", PackOptions(), per_shard=2, workers=1)
    monkeypatch.undo()
    first = (tmp_path / "again" / "shard-000000.tar").stat().st_mtime_ns
    assert pack([str(many)], tmp_path / "again", PackOptions(), per_shard=2, workers=1) == result
    assert (tmp_path / "again" / "shard-000000.tar").stat().st_mtime_ns == first
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        if name.endswith((".npy", ".bin")):
            assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_other_settings_are_refused(many: Path, tmp_path: Path) -> None:
    pack([str(many)], tmp_path / "out", PackOptions(), per_shard=2, workers=1)
    with pytest.raises(OutputError, match="other recordings or settings"):
        pack([str(many)], tmp_path / "out", PackOptions(side=64), per_shard=2, workers=1)


def test_nothing_to_pack_is_an_error(tmp_path: Path, many: Path) -> None:
    with pytest.raises(SourceError, match="no recording could be packed"):
        pack([str(many / "broken")], tmp_path / "out", PackOptions(), per_shard=2, workers=1)


def test_a_truncated_shard_loses_only_its_missing_frames(many: Path, tmp_path: Path) -> None:
    from streamseg.errors import FrameError

    pack([str(many)], tmp_path / "out", PackOptions(), per_shard=6, workers=1)
    (path,) = (tmp_path / "out").glob("*.tar")
    os.truncate(path, path.stat().st_size // 2)
    recordings = open_all(str(tmp_path / "out"))
    assert recordings[0][0].rgb.shape == (20, 30, 3)
    with pytest.raises(FrameError, match="cut or damaged"):
        recordings[-1][2]


def test_a_damaged_index_is_an_error(many: Path, tmp_path: Path) -> None:
    pack([str(many)], tmp_path / "out", PackOptions(), per_shard=6, workers=1)
    np.save(tmp_path / "out" / "frames.npy", np.zeros(3, FRAME))
    with pytest.raises(SourceError, match="belong together"):
        open_index(tmp_path / "out")
    np.save(tmp_path / "out" / "recordings.npy", np.array([{}], object))
    with pytest.raises(SourceError, match="cannot be read"):
        open_index(tmp_path / "out")


def test_an_index_of_a_million_and_a_half_of_frames_is_small() -> None:
    assert 1_500_000 * FRAME.itemsize + 19_000 * RECORDING.itemsize < 200e6
