"""The output folder: files that no run wrote are never lost, two runs exclude each other, links are not followed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.runtime.folder import JOURNAL, open_folder


def run(path: Path, names: list[str], overwrite: bool = False, finish: bool = True) -> None:
    with open_folder(path, overwrite, "video.mp4") as folder:
        folder.begin()
        for name in names:
            folder.claim(name).write_text(name)
        if finish:
            (path / "run.json").write_text(json.dumps({"written": folder.written, "source": {"uri": "video.mp4"}}))


def names(path: Path) -> list[str]:
    return sorted(one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file())


def test_overwrite_removes_only_files_that_the_run_wrote(tmp_path: Path) -> None:
    run(tmp_path, ["labels/0.png", "labels/1.png", "overlay.mp4"])
    (tmp_path / "labels" / "mine.png").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"already holds a run of 'video\.mp4'"):
        run(tmp_path, ["labels/0.png"])
    run(tmp_path, ["labels/0.png"], overwrite=True)
    assert names(tmp_path) == ["labels/0.png", "labels/mine.png", "notes.txt", "run.json"]


def test_a_file_that_no_run_wrote_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "0.png").write_text("mine")
    with pytest.raises(OutputError, match="no run wrote it"):
        run(tmp_path, ["labels/0.png"], overwrite=True)
    assert (tmp_path / "labels" / "0.png").read_text() == "mine"


def test_overwrite_reads_the_journal_of_a_killed_run(tmp_path: Path) -> None:
    with open_folder(tmp_path, False, "x") as folder:
        folder.begin()
        folder.claim("labels/0.png").write_text("half a run")
        text = (tmp_path / JOURNAL).read_text()
    (tmp_path / JOURNAL).write_text(text)  # as if the process had been killed
    run(tmp_path, ["labels/0.png"], overwrite=True)
    assert names(tmp_path) == ["labels/0.png", "run.json"]


def test_two_runs_exclude_each_other(tmp_path: Path) -> None:
    with open_folder(tmp_path, False, "x"), pytest.raises(OutputError, match="another run"):
        run(tmp_path, [], overwrite=True)


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "0.png").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "labels").symlink_to(elsewhere)
    with pytest.raises(OutputError, match="is a link"):
        run(out, ["labels/1.png"])
    (out / "run.json").write_text(json.dumps({"written": ["labels/0.png", "../elsewhere/0.png", "/etc/hostname"]}))
    run(out, [], overwrite=True)
    assert (elsewhere / "0.png").read_text() == "mine"


def test_a_manifest_without_a_list_of_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="does not say what its run wrote"):
        run(tmp_path, [], overwrite=True)


def test_a_source_in_the_output_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    video = tmp_path / "video.mp4"
    video.write_text("frames")
    for source in (str(video), f"video:{video}", str(tmp_path), f"video:~/{tmp_path.name}/video.mp4"):
        with pytest.raises(OutputError, match="lies in the output folder"), open_folder(tmp_path, True, source):
            pass
    with open_folder(tmp_path / "out", True, str(video)):
        pass
    assert video.read_text() == "frames"


def test_a_run_that_was_killed_before_its_first_file_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / ".streamseg.written").touch()
    (tmp_path / "run.json").write_text('{"status": "running"}')
    (tmp_path / "mine.txt").write_text("mine")
    with open_folder(tmp_path, True, "source") as folder:
        folder.begin()
        folder.claim("labels.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_named(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="cannot write into") as caught:
        run(tmp_path / "out", [])
    assert "-o" in caught.value.hint


def test_what_would_stop_a_run_is_told_before_it_begins(tmp_path: Path) -> None:
    def check(path: Path, overwrite: bool, source: str = "video.mp4", outputs: Sequence[str] = ()) -> None:
        with open_folder(path, overwrite, source, outputs):
            pass

    out = tmp_path / "deep" / "out"
    check(out, False, outputs=["overlay.mp4"])
    assert not out.parent.exists()
    run(out, ["labels/0.png", "overlay.mp4"])
    before = names(out)
    with pytest.raises(OutputError, match="already holds a run"):
        check(out, False)
    check(out, True, outputs=["labels", "overlay.mp4", ""])
    (out / "labels.npz").write_text("mine")
    with pytest.raises(OutputError, match="no run wrote it"):
        check(out, True, outputs=["labels.npz"])
    (out / "objects").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="is a link"):
        check(out, True, outputs=["objects"])
    with open_folder(tmp_path / "busy", False, "x"), pytest.raises(OutputError, match="another run"):
        check(tmp_path / "busy", True)
    with pytest.raises(OutputError, match="lies in the output folder"):
        check(out, True, str(out / "overlay.mp4"))
    for file in (out / "overlay.mp4", out / "overlay.mp4" / "deeper"):
        with pytest.raises(OutputError, match="is not a folder"):
            check(file, False)
    (out / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="does not say what its run wrote"):
        check(out, True)
    assert names(out) == sorted([*before, "labels.npz"])
    assert not (tmp_path / "busy").exists()


def test_what_a_killed_run_leaves_before_it_begins_stops_no_other(tmp_path: Path) -> None:
    """Such a run has made the folder and its lock, and nothing more."""
    out = tmp_path / "out"
    script = "import os, sys; from pathlib import Path; from streamseg.runtime.folder import open_folder\n"
    script += "with open_folder(Path(sys.argv[1]), False, 'x'): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", script, str(out)], check=False).returncode == -signal.SIGKILL
    assert names(out) == [".streamseg.lock"]
    run(out, ["labels.npz"])
    assert names(out) == ["labels.npz", "run.json"]


def test_errors_of_the_run_itself_are_not_taken_for_those_of_its_folder(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="the recording"), open_folder(tmp_path / "out", False, "x"):
        raise PermissionError(errno.EACCES, "the recording")
    assert not (tmp_path / "out").exists()
