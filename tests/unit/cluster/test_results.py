"""The folder of a recording appears as a whole, even if several drivers write."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from streamseg.cluster.results import Results
from streamseg.cluster.task import bytes_of, digest_of, output_settings
from streamseg.config import ExtractorConfig, RunConfig, Spec
from streamseg.errors import OutputError
from streamseg.runtime import index
from streamseg.runtime.index import Entry
from streamseg.runtime.repeat import settings_of

JOB = RunConfig(source="/a")


def made(results: Results, name: str, text: str = "new", job: RunConfig = JOB, **more: Any) -> Path:
    folder = results.work_folder(name)
    folder.mkdir()
    (folder / "mask.png").write_text(text, encoding="utf-8")
    content = {"status": "done", "settings": settings_of(job), "frames": 2, "fps": 3.0, "written": ["mask.png"]}
    content |= {"batch": {"source": "/a", "files": {}, "ids": 4, "worker": "w", "attempts": 1, "seconds": 1.5}} | more
    (folder / "run.json").write_text(json.dumps(content, default=str), encoding="utf-8")
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "out")


def test_the_first_to_finish_wins(results: Results) -> None:
    first, second = made(results, "a", "first"), results.work / "a.elsewhere.1"
    first.rename(second)
    assert results.publish(made(results, "a", "quick"), "a", overwrite=False)
    assert not results.publish(second, "a", overwrite=False)
    assert (results.root / "a" / "mask.png").read_text(encoding="utf-8") == "quick"


def test_results_of_other_settings_or_recordings_are_refused(results: Results) -> None:
    assert results.find_done("a", "/a", output_settings(JOB)) is None
    results.publish(made(results, "a"), "a", overwrite=False)
    entry = results.find_done("a", "/a", output_settings(JOB))
    assert entry == Entry("a", "/a", "done", frames=2, fps=3.0, ids=4, seconds=1.5, worker="w")
    with pytest.raises(OutputError, match="other settings"):
        results.find_done("a", "/a", output_settings(RunConfig(source="/a", every=2)))
    with pytest.raises(OutputError, match="another recording"):
        results.find_done("a", "/b", output_settings(JOB))


def test_results_of_a_file_that_has_changed_are_refused(results: Results, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"first")
    about = {"source": str(clip), "files": {}, "bytes": bytes_of(f"video:{clip}")}
    results.publish(made(results, "a", batch=about), "a", overwrite=False)
    assert results.find_done("a", str(clip), output_settings(JOB)) is not None
    clip.write_bytes(b"longer than the first")
    with pytest.raises(OutputError, match=r"is of an older .*clip\.mp4") as refusal:
        results.find_done("a", str(clip), output_settings(JOB))
    assert "--overwrite" in refusal.value.hint
    clip.unlink()  # it lies elsewhere now
    assert results.find_done("a", str(clip), output_settings(JOB)) is not None
    assert [bytes_of(source) for source in (str(tmp_path), "0", "s3://store/clip.mp4", "index:all.jsonl#a")] == [
        None
    ] * 4


def test_results_of_a_folder_that_has_changed_are_refused(results: Results, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    (clip / "rgb").mkdir(parents=True)
    for number in range(40):
        (clip / "rgb" / f"{number}.jpg").write_bytes(b"frame")
    (clip / "rgb" / "0.png").symlink_to("nowhere")

    def is_done(name: str) -> bool:
        return results.find_done(name, str(clip), output_settings(JOB)) is not None

    def publish(name: str, **about: Any) -> None:
        results.publish(made(results, name, batch={"source": str(clip), "files": {}} | about), name, overwrite=False)

    publish("old")  # by a version that did not look at folders
    publish("a", digest=digest_of(f"images:{clip}"))
    of_no_frame = ("notes.txt", ".hidden.jpg", "masks/0.png", "rgb/Annotations/0.png", "out/clip/overlay.mp4")
    for name in (*of_no_frame, "out/clip/run.json"):
        (clip / name).parent.mkdir(exist_ok=True, parents=True)
        (clip / name).write_text("mine")
    assert is_done("a")
    (clip / "rgb" / "0.jpg").rename(clip / "rgb" / "100.jpg")
    with pytest.raises(OutputError, match=r"is of an older .*clip") as refusal:
        is_done("a")
    assert "--overwrite" in refusal.value.hint
    assert is_done("old")
    publish("b", digest=digest_of(str(clip)))
    for frame in (clip / "rgb").glob("*.jpg"):
        frame.write_bytes(b"another frame")
    with pytest.raises(OutputError, match="is of an older"):
        is_done("b")
    shutil.rmtree(clip)  # it lies elsewhere now
    assert is_done("b")
    assert [digest_of(source) for source in (str(clip), "0", "s3://store/clip", "index:all.jsonl#a")] == [None] * 4


def test_an_entry_has_what_its_run_asks_of_the_user(results: Results) -> None:
    notes = ["note: all is well", "to do: the scale is assumed: --depth-scale UNITS"]
    results.publish(made(results, "a", notes=notes), "a", overwrite=False)
    (entry,) = results.all_entries()
    assert entry.to_do == ["the scale is assumed: --depth-scale UNITS"]
    index.write(results.root, [entry])
    assert index.read(results.root) == [entry]


def test_weights_that_changed_are_other_settings(results: Results, tmp_path: Path) -> None:
    weights = tmp_path / "own.onnx"
    weights.write_bytes(b"1")
    job = RunConfig(source="/a", extractor=ExtractorConfig(Spec(str(weights))))
    about = {"source": "/a", "files": output_settings(job)["files"]}
    results.publish(made(results, "a", job=job, batch=about), "a", overwrite=False)
    assert results.find_done("a", "/a", output_settings(job))
    weights.write_bytes(b"2")
    with pytest.raises(OutputError, match="other settings"):
        results.find_done("a", "/a", output_settings(job))


def test_only_files_that_a_run_wrote_are_overwritten(results: Results) -> None:
    results.publish(made(results, "a", "old"), "a", overwrite=False)
    assert results.publish(made(results, "a", "new"), "a", overwrite=True)
    target = results.root / "a"
    assert (target / "mask.png").read_text(encoding="utf-8") == "new"
    (target / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="mine"):
        results.publish(made(results, "a", "newer"), "a", overwrite=True)
    assert (target / "mask.png").read_text(encoding="utf-8") == "new"


def test_a_folder_that_no_run_wrote_is_refused(results: Results) -> None:
    (results.root / "a").mkdir()
    assert results.find_done("a", "/a", output_settings(JOB)) is None
    (results.root / "a" / "diary.txt").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="no run wrote it"):
        results.find_done("a", "/a", output_settings(JOB))


def test_only_work_folders_of_dead_workers_are_removed(results: Results) -> None:
    alive = made(results, "a")
    dead = results.work / alive.name.replace(str(os.getpid()), "4194999")
    dead.mkdir()
    assert results.in_progress() == {"a"}
    results.remove_left_over()
    assert alive.is_dir()
    assert not dead.exists()
    results.publish(alive, "a", overwrite=False)
    assert results.in_progress() == set()


def test_failures_are_recorded_and_removed(results: Results) -> None:
    entry = Entry("a", "/a", "aside", error="it took more than 5 s")
    results.note_failure(entry)
    results.publish(made(results, "b"), "b", overwrite=False)
    assert [one.name for one in results.all_entries()] == ["a", "b"]
    assert results.failures() == {"a": entry}
    results.forget_failure("a")
    assert not results.failures()


def test_a_full_disk_leaves_the_old_index(
    results: Results, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    entries = [Entry(f"r{i}", "/r", "done") for i in range(9)]
    index.write(results.root, entries)
    with full_disk(100), pytest.raises(OSError, match="large"):
        index.write(results.root, entries[:5])
    assert index.read(results.root) == entries
