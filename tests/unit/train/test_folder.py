"""The output folder: a run that is replaced remains complete until the new run has a checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from train.folder import STARTED, RunFolder, checkpoint_to_resume, remove_objects, reserved

FILES = ("last.pt", "best.pt", "checkpoints/best-000003.pt", "metrics.csv", "run.json", "masks.png",
         "events.out.tfevents.1", "objects.json", "objects/0/000001.png", "round1/last.pt", "round2/best.pt",
         "round2/objects.json", "round2/objects/0/000001.png")  # fmt: skip
MINE = "notes.txt", "checkpoints/mine.txt"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    for name in (*FILES, *MINE):
        put(tmp_path, name, "old")
    return tmp_path


def put(output: Path, name: str, content: str = "new") -> None:
    (output / name).parent.mkdir(parents=True, exist_ok=True)
    (output / name).write_text(content)


def content(output: Path) -> dict[str, str]:
    return {str(path.relative_to(output)): path.read_text() for path in output.rglob("*") if path.is_file()}


NEW = "best.pt", "metrics.csv", "hparams.yaml", "events.out.tfevents.2", "objects/0/000002.png"


def replaced(output: Path, *files: str) -> None:
    """Replace the older run by a run that removes objects, writes these files, and ends with an error."""
    with reserved(RunFolder(output, overwrite=True), True):
        assert not (output / "last.pt").exists()
        remove_objects(output)
        for name in files:
            put(output, name)
        raise ZeroDivisionError


def test_an_error_before_the_first_checkpoint_leaves_the_older_run_as_it_was(old: Path) -> None:
    before = content(old)
    with pytest.raises(ZeroDivisionError):
        replaced(old, *NEW)
    assert content(old) == before
    with pytest.raises(OutputError, match="holds a run already"):
        checkpoint_to_resume(RunFolder(old), True)


def test_a_kill_before_the_first_checkpoint_leaves_the_older_run_as_it_was(
    old: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed before each move into the subfolder, and before each move back."""
    before, real, left = content(old), Path.replace, list[Path]()
    put(old, STARTED, "")  # what a run leaves that was killed behind its first checkpoint

    def replace(path: Path, target: Path) -> Path:
        left.append(shutil.copytree(old, tmp_path_factory.mktemp("killed") / "old"))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(ZeroDivisionError):
        replaced(old, *NEW)
    monkeypatch.undo()
    assert len(left) == 2 * len(FILES)
    for output in left:
        assert checkpoint_to_resume(RunFolder(output, resume=True), True) == output / "last.pt"
        (output / STARTED).unlink(missing_ok=True)
        assert content(output) == before


def test_the_older_run_is_removed_when_the_new_one_has_a_checkpoint(old: Path) -> None:
    with reserved(RunFolder(old, overwrite=True), True):
        put(old, "last.pt")
    kept = {name: "old" for name in ("objects.json", "objects/0/000001.png", *MINE)}
    assert content(old) == {"last.pt": "new", **kept}
    with pytest.raises(ZeroDivisionError):
        replaced(old, "last.pt", "metrics.csv")
    assert content(old) == {"last.pt": "new", "metrics.csv": "new"} | dict.fromkeys(MINE, "old")


def test_the_output_folder_must_not_contain_the_input(old: Path) -> None:
    for path in (old, old / "best.pt"):
        with pytest.raises(OutputError, match=f"--backbone '{path}' lies in the output folder"):
            checkpoint_to_resume(RunFolder(old, overwrite=True, inputs=(("--backbone", str(path)),)), True)
    assert checkpoint_to_resume(RunFolder(old / "out", inputs=(("--data", str(old)),)), True) is None


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_folder_in_use_is_told_before_data_are_opened(options: dict[str, bool], old: Path) -> None:
    with reserved(RunFolder(old, resume=True), True), pytest.raises(OutputError, match="another run"):
        checkpoint_to_resume(RunFolder(old, **options), True)
    assert checkpoint_to_resume(RunFolder(old, resume=True), True) == old / "last.pt"
