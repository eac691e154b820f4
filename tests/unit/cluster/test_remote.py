"""Recordings and results at URLs: fsspec's memory, files, and an object store that listens on the loopback."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from streamseg.cluster import remote
from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from streamseg.cluster.stores import open_store
from streamseg.cluster.task import Task, output_settings
from streamseg.cluster.worker import Worker
from streamseg.config import ExtractorConfig, RunConfig
from streamseg.errors import FrameError, OutputError, SourceError
from streamseg.runtime.index import Entry
from streamseg.sources import expansion
from train.data.fingerprint import fingerprint
from train.data.frame_cache import FrameCache
from train.data.order import part_ends
from train.data.recordings import open_recordings
from train.data.samples import EndlessBatches, Samples, loader
from train.data.views import two_views

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 server in this process."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        known = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
        for name, value in (known | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("fleet")
        yield "s3://fleet"
        server.stop()


@pytest.fixture(params=["memory", "file", "s3"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty folder."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}"
    return f"memory://{uuid.uuid4().hex}" if request.param == "memory" else f"file://{tmp_path}/store"


def recording(folder: Path, frames: int = 2) -> Path:
    folder.mkdir(parents=True)
    for number in range(frames):
        picture = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def test_uploaded_files_are_found_and_fetched(base: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        remote.upload(recording(tmp_path / name), f"{base}/in/{name}")
    found = remote.expand(f"{base}/in/*")
    assert [url.rpartition("/")[2] for url in found] == ["a", "b"]
    assert remote.expand(f"images:{base}/in/a")[0].startswith("images:")
    with remote.fetched(found[0]) as local:
        assert sorted(path.name for path in Path(local).iterdir()) == ["0.png", "1.png"]
        assert (Path(local) / "1.png").read_bytes() == (tmp_path / "a" / "1.png").read_bytes()
    assert not Path(local).exists()
    with pytest.raises(SourceError, match="nothing is at"):
        remote.expand(f"{base}/absent")


def test_a_store_keeps_failures(base: str, tmp_path: Path) -> None:
    store = open_store(f"{base}/out")
    assert store.all_entries() == []
    entry = Entry("a", "/a", "aside", error="it took more than 5 s")
    store.note_failure(entry)
    assert open_store(f"{base}/out").failures() == {"a": entry}
    store.forget_failure("a")
    assert store.failures() == {}
    store.write_index([entry])
    assert remote.read_json(f"{base}/out/index.jsonl") == {**entry.__dict__}


def test_a_recording_and_its_results_at_urls(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_THREADS", "1")  # the worker sets it, in this process
    remote.upload(recording(tmp_path / "a"), f"{base}/in/a")
    (source,) = remote.expand(f"{base}/in/*")
    job = RunConfig(source=source, save=("labels",), extractor=ExtractorConfig(size=64))
    task, worker = Task("a", job, f"{base}/out"), Worker()
    entry = worker.do(task)
    worker.close()
    assert (entry.status, entry.frames) == ("done", 2), entry.error
    store = open_store(f"{base}/out")
    assert store.find_done("a", source, output_settings(job)) == entry == store.all_entries()[0]
    with pytest.raises(OutputError, match="other settings"):
        store.find_done("a", source, output_settings(RunConfig(source=source, every=2)))
    content: dict[str, Any] = remote.read_json(f"{base}/out/a/run.json") or {}
    assert content["output"] == f"{base}/out/a"
    assert len(remote.read_all(f"{base}/out/a/labels/*.png")) == 2


def test_run_json_is_uploaded_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recording(tmp_path / "a")
    (folder / "run.json").write_text("{}", encoding="utf-8")
    order: list[str] = []
    whole = remote.put

    def failing(system: Any, content: Any, target: str) -> None:
        order.append(target.rpartition("/")[2])
        if len(order) == 2:
            raise OSError("the line is dead")
        whole(system, content, target)

    monkeypatch.setattr(remote, "put", failing)
    with pytest.raises(SourceError, match="line is dead"):
        remote.upload(folder, "memory://half/a")
    assert remote.read_json("memory://half/a/run.json") is None
    remote.upload(folder, "memory://half/a")
    assert order[2:] == ["0.png", "1.png", "run.json"]


def test_training_reads_shards_at_a_url(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "cache"))
    for name in ("a", "b"):
        recording(tmp_path / "many" / name, 3)
    pack([str(tmp_path / "many")], tmp_path / "shards", PackOptions(), per_shard=1, workers=1)
    remote.upload(tmp_path / "shards", f"{base}/shards")
    here, there = (open_recordings([f"shards:{place}"]) for place in (tmp_path / "shards", f"{base}/shards"))
    assert expansion.expand([f"shards:{base}/shards"]) == [f"shards:{one.uri}" for one in there]
    assert fingerprint(here) == fingerprint(there)
    assert part_ends(there) == [3, 6]
    assert np.array_equal(pickle.loads(pickle.dumps(there[1]))[2].rgb, here[1][2].rgb)
    samples = [Samples(recordings, two_views(32), pictures=FrameCache("none", 6, 64)) for recordings in (here, there)]
    first, second = (next(iter(loader(one, EndlessBatches(4), workers))) for one, workers in zip(samples, (0, 1)))
    assert torch.equal(first.views[0], second.views[0])  # the second one comes from a forked process
    kept = sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept == ["frames.npy", "names.bin", "recordings.npy"]  # no shard was downloaded as a whole
    remote.remove(f"{base}/shards/shard-000000.tar")
    with pytest.raises(FrameError):
        open_recordings([f"shards:{base}/shards"])[0][0]
    with pytest.raises(SourceError, match="cannot be reached"):
        open_recordings([f"shards:{base}/nowhere"])


@pytest.mark.parametrize("uri", ["rtsp://host/1", "/a/b", "shards:s3://a/b", "camera:0", "C:\\a", "co3d:/root#x"])
def test_streams_and_paths_are_no_urls(uri: str) -> None:
    assert not remote.is_url(uri)


def test_an_unknown_kind_of_address_is_an_error() -> None:
    with pytest.raises(SourceError):
        remote.expand("gopher://hole/a")
