"""If the disk fills during a batch or a packing, the existing files do not change."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from streamseg.cluster.packing import pack
from streamseg.cluster.packing.shard import PackOptions
from streamseg.cluster.results import Results
from streamseg.cluster.task import Task, output_settings
from streamseg.cluster.worker import Worker
from streamseg.config import ExtractorConfig, RunConfig
from streamseg.errors import OutputError

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "tabletop"
FullDisk = Callable[[int], AbstractContextManager[None]]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_batch_on_a_full_disk_keeps_the_old_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_disk: FullDisk
) -> None:
    monkeypatch.setenv("STREAMSEG_THREADS", "1")
    worker, results = Worker(), Results(tmp_path / "out")
    jobs = [RunConfig(source=str(SAMPLE), max_frames=2, extractor=ExtractorConfig(size=size)) for size in (64, 96)]
    assert worker.do(Task("a", jobs[0], str(tmp_path / "out"))).status == "done"
    before = files(tmp_path / "out")
    for limit in (300, 20_000):  # run.json, the overlay
        with full_disk(limit):
            entry = worker.do(Task("a", jobs[1], str(tmp_path / "out"), overwrite=True))
        assert (entry.status, "large" in entry.error) == ("failed", True), entry
        assert files(tmp_path / "out") == before
        assert not list(results.work.iterdir())
    assert results.find_done("a", str(SAMPLE), output_settings(jobs[0]))
    assert worker.do(Task("a", jobs[1], str(tmp_path / "out"), overwrite=True)).status == "done"
    worker.close()


def test_packing_resumes_when_the_disk_has_space_again(tmp_path: Path, full_disk: FullDisk) -> None:
    options, out = PackOptions(side=64, every=12), tmp_path / "shards"
    for limit in (0, 600, 20_000):
        with full_disk(limit), pytest.raises(OutputError, match="large"):
            pack([str(SAMPLE)], out, options, per_shard=1, workers=1)
        assert not list(out.glob("shard-*.tar"))
        assert not list(out.glob(".shard*"))
    pack([str(SAMPLE)], out, options, per_shard=1, workers=1)
    before = files(out)
    with full_disk(600):
        pack([str(SAMPLE)], out, options, per_shard=1, workers=1)  # nothing is left to do
        with pytest.raises(OutputError, match="other recordings or settings"):
            pack([str(SAMPLE)], out, PackOptions(side=32), per_shard=1, workers=1)
    assert files(out) == before
